"""`kubectl chekov parked`: events that handlers kept failing on, listed, retried and given up."""

from argparse import Namespace
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from chekov.client import ManagementClient
from chekov_operator.kube.kinds import SUBSCRIPTION
from chekov_operator.kube.objects import Object, nested, nested_list
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.failure import PluginError
from chekov_operator.plugin.output import show, show_table, show_value
from chekov_operator.plugin.pod_api import management
from chekov_operator.plugin.replay import create_replay, report_replay

_PAGE: Final = 1000
_EVENTS: Final = ("subscription", "position", "state", "key", "attempts", "fingerprint", "error")
_GROUPS: Final = ("subscription", "fingerprint", "events", "first", "last", "since", "error")


async def parked(arguments: Namespace) -> int:
    """List parked events or their causes, or make a Replay that deals with them."""
    async with opened(arguments) as cluster:
        if arguments.retry or arguments.discard:
            await _replay(cluster, arguments)
        else:
            await _list(cluster, arguments)
    return 0


async def _replay(cluster: Cluster, arguments: Namespace) -> None:
    if arguments.handler is None:
        raise PluginError("name the subscription whose events are meant")
    what = _chosen(arguments)
    if arguments.discard:
        if not (arguments.reason or "").strip():
            raise PluginError("--discard needs a --reason, which is kept")
        what = {"discard": {**what, "reason": arguments.reason}}
    else:
        what = {"retry": what}
    subscription = await cluster.subscription(arguments.bundle, arguments.handler)
    await report_replay(cluster, await create_replay(cluster, subscription, what), arguments)


def _chosen(arguments: Namespace) -> Object:
    given: Object = {
        "keys": arguments.key,
        "fingerprint": arguments.fingerprint,
        "all": arguments.all or None,
    }
    chosen = {name: value for name, value in given.items() if value}
    if len(chosen) != 1:
        raise PluginError("choose the events by exactly one of --key, --fingerprint and --all")
    return chosen


async def _list(cluster: Cluster, arguments: Namespace) -> None:
    bundle = await cluster.bundle(arguments.bundle)
    names = await _names(cluster, bundle, arguments.handler)
    rows: list[Object] = []
    async with management(cluster, bundle, arguments.token_file) as client:
        for name in names:
            if arguments.groups:
                found = await client.get("subscriptions", name, "parked", "groups")
                rows += [{"subscription": name, **item} for item in found["groups"]]
            else:
                rows += [item async for item in _events(client, name, arguments)]
    if arguments.output != "table":
        show_value(rows, arguments.output)
    elif rows:
        show_table(_GROUPS if arguments.groups else _EVENTS, rows)
    else:
        show("no events are parked")


async def _names(cluster: Cluster, bundle: Object, handler: str | None) -> Sequence[str]:
    """The subscriptions to ask about."""
    if handler is not None:
        return [handler]
    found = await cluster.of_bundle(SUBSCRIPTION, str(bundle["metadata"]["name"]))
    names = {str(nested(item, "spec", "handler")) for item in found}
    names |= {str(item["name"]) for item in nested_list(bundle, "status", "subscriptions")}
    return sorted(names)


async def _events(
    client: ManagementClient, name: str, arguments: Namespace
) -> AsyncGenerator[dict[str, Any]]:
    for key in arguments.key or [None]:
        after: int | None = None
        while True:
            found = await client.get(
                *("subscriptions", name, "parked"),
                key=key,
                fingerprint=arguments.fingerprint,
                after=after,
                limit=_PAGE,
            )
            page: Sequence[dict[str, Any]] = found["parked"]
            for item in page:
                yield {**item, "subscription": item["subscription"]["name"]}
            if len(page) < _PAGE:
                break
            after = page[-1]["position"]
