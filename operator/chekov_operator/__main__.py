"""The operator's process: probes first, then the Lease, then watches and workers while it leads."""

import asyncio
import logging
import signal
import sys
from contextlib import AsyncExitStack
from typing import Any

import kopf
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from chekov_operator import logs, management, watch
from chekov_operator.client import ApiError, ApiUnavailable, Client, connected, load_configuration
from chekov_operator.lease import Lease, LeaseLost
from chekov_operator.metrics import Metrics
from chekov_operator.queue import Queue
from chekov_operator.reconcile import Reconciler
from chekov_operator.recorder import Recorder
from chekov_operator.resources import BUNDLE, DEFINITION, GROUP, STORE
from chekov_operator.settings import Settings, SettingsError, read

_LOOK_SECONDS = 2.0

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """SIGTERM or SIGINT came."""


async def operate(settings: Settings) -> None:
    """Run until a signal comes.

    Raises:
        LeaseLost: another replica leads.
    """
    metrics, health = Metrics(), management.Health()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            management.serving(health, metrics, settings.management_port)
        )
        client = await stack.enter_async_context(connected(load_configuration(), metrics))
        await _installed(client, health)
        api = await stack.enter_async_context(await _lease_client())
        lease = Lease(
            kubernetes_client.CoordinationV1Api(api),
            namespace=settings.namespace,
            name="chekov-operator",
            holder=settings.name,
            seconds=settings.lease_seconds,
        )
        health.ready.set()
        await lease.acquire()
        stack.push_async_callback(lease.release)
        health.leading = True
        metrics.leading.set(1)
        await _lead(settings, client, metrics, lease)


async def _lead(settings: Settings, client: Client, metrics: Metrics, lease: Lease) -> None:
    queue = Queue(metrics)
    reconciler = Reconciler(client, queue, metrics, Recorder(client, settings.name), settings)
    watching = watch.Watch(queue, metrics)
    namespaced = bool(settings.watch_namespaces)
    async with asyncio.TaskGroup() as group:
        group.create_task(lease.keep(), name="lease")
        for number in range(settings.workers):
            group.create_task(queue.work(reconciler), name=f"worker {number}")
        await kopf.operator(
            registry=watching.registry(),
            settings=watch.configured(kopf.OperatorSettings(), namespaced=namespaced),
            standalone=True,
            clusterwide=not namespaced,
            namespaces=settings.watch_namespaces,
        )
        raise RuntimeError("the watches ended by themselves")


async def _installed(client: Client, health: management.Health) -> None:
    """Wait until the resource definitions are there."""
    while True:
        missing = [f"{kind.plural}.{GROUP}" for kind in (STORE, BUNDLE)]
        try:
            for name in tuple(missing):
                if await client.get(DEFINITION, None, name) is not None:
                    missing.remove(name)
        except (ApiError, ApiUnavailable) as error:
            _log.warning("the API server does not answer", extra={"error": str(error)})
        health.missing = missing
        if not missing:
            return
        _log.warning("resource definitions are missing", extra={"missing": missing})
        await asyncio.sleep(_LOOK_SECONDS)


async def _lease_client() -> Any:
    try:
        kubernetes_config.load_incluster_config()
    except kubernetes_config.ConfigException:
        await kubernetes_config.load_kube_config()
    return kubernetes_client.ApiClient()


async def _until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(operate(settings), name="operator")
        await stop.wait()
        raise _Stopped


def main() -> int:
    """Run the operator; the exit code."""
    try:
        settings = read()
    except SettingsError as error:
        sys.stderr.write(f"chekov-operator: {error}\n")
        return 2
    logs.configure(settings.log_level)
    try:
        asyncio.run(_until_signalled(settings))
    except* _Stopped:
        _log.info("stopped")
        return_code = 0
    except* LeaseLost as lost:
        _log.error("no longer leading", extra={"error": str(lost.exceptions[0])})
        return_code = 1
    else:
        return_code = 0
    return return_code


if __name__ == "__main__":
    sys.exit(main())
