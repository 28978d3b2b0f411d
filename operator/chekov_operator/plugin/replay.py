"""`kubectl chekov replay`: makes a Replay, and waits for it if asked to."""

import asyncio
import secrets
import sys
import time
from argparse import Namespace
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from chekov.backoff import Backoff
from chekov_operator.children.names import fitted
from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.kinds import GROUP, REPLAY, VERSION
from chekov_operator.kube.objects import Object, condition_of, nested
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.failure import PluginError
from chekov_operator.plugin.output import show

_ENDED: Final = frozenset({"Complete", "Failed"})


async def replay(arguments: Namespace) -> int:
    """Have a subscription handle events again."""
    mode = {"mode": "InPlace"} if arguments.in_place else {}
    async with opened(arguments) as cluster:
        subscription = await cluster.subscription(arguments.bundle, arguments.handler)
        made = await create_replay(cluster, subscription, {"from": arguments.start, **mode})
        await report_replay(cluster, made, arguments)
    return 0


async def create_replay(cluster: Cluster, subscription: Object, what: Object) -> Object:
    """Make a Replay of a subscription.

    Args:
        cluster: where.
        subscription: the Subscription.
        what: the fields of its spec that say what is done.

    Raises:
        ApiError: the API server refuses it, for example because a field is wrong.
    """
    name = str(subscription["metadata"]["name"])
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": REPLAY.name,
        "metadata": {
            "name": fitted(name, secrets.token_hex(3)),
            "namespace": cluster.namespace,
        },
        "spec": {"subscriptionRef": {"name": name}, **what},
    }
    return await cluster.client.create(REPLAY, body)


async def report_replay(cluster: Cluster, made: Object, arguments: Namespace) -> None:
    """Say which Replay was made and, with `--wait`, what becomes of it.

    Raises:
        PluginError: it failed, or the time is over.
    """
    name = str(made["metadata"]["name"])
    show(f"replay {name} was made")
    if not arguments.wait:
        return
    try:
        async with asyncio.timeout(arguments.timeout):
            after = await _ended(cluster, name)
    except TimeoutError as error:
        raise PluginError(
            f"replay {name} goes on; it was not complete after {arguments.timeout:g} s"
        ) from error
    if nested(after, "status", "phase") == "Failed":
        failed = condition_of(after, "Failed")
        raise PluginError(f"replay {name} failed: {failed.get('reason')}: {failed.get('message')}")
    show(f"replay {name}: {condition_of(after, 'Complete').get('message')}")


async def _ended(cluster: Cluster, name: str) -> Object:
    async with aclosing(_states(cluster, name)) as states:
        async for body in states:
            _show_progress(nested(body, "status"))
            if nested(body, "status", "phase") in _ENDED:
                if sys.stderr.isatty():
                    sys.stderr.write("\n")
                return body
    raise AssertionError


async def _states(cluster: Cluster, name: str) -> AsyncGenerator[Object]:
    """The Replay as it is now, and again after each change."""
    client, namespace, backoff = cluster.client, cluster.namespace, Backoff(0.2, 10.0)
    while True:
        try:
            version = await client.version(REPLAY, namespace)
            yield await _existing(cluster, name)
            async with aclosing(client.changes(REPLAY, namespace, version)) as changes:
                async for _, body in changes:
                    backoff.reset()
                    if nested(body, "metadata", "name") == name:
                        yield await _existing(cluster, name)
        except ApiUnavailable:
            pass
        except ApiError as error:
            if error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                raise
        await backoff.wait()


async def _existing(cluster: Cluster, name: str) -> Object:
    found = await cluster.client.get(REPLAY, cluster.namespace, name)
    if found is None:
        raise PluginError(f"replay {name} was deleted; what it began goes on")
    return found


def _show_progress(status: object) -> None:
    percent = nested(status, "percent")
    if percent is None or not sys.stderr.isatty():
        return
    seconds = nested(status, "secondsLeft")
    left = f", {time.strftime('%H:%M:%S', time.gmtime(int(seconds)))} left" if seconds else ""
    sys.stderr.write(f"\r\x1b[K{percent} % of {nested(status, 'target')} events{left}")
    sys.stderr.flush()
