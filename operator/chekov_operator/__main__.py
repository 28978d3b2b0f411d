"""The operator's process: probes first, then the Lease, then watches and workers as the leader."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, cast

from opentelemetry.trace import Tracer

from chekov import gc_tuning
from chekov.telemetry import logs
from chekov_operator import management, tracing
from chekov_operator.bundle_lag import BundleLag
from chekov_operator.controllers.reconciler import Reconciler
from chekov_operator.controllers.registry import all_controllers
from chekov_operator.kube import definitions
from chekov_operator.kube.access import load_configuration
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.child_watch import ChildWatch
from chekov_operator.kube.client import Client, connected
from chekov_operator.kube.kinds import SECRET, Key
from chekov_operator.kube.kopf_login import connection_of
from chekov_operator.kube.lean_kopf import kopf
from chekov_operator.kube.lease import Lease, LeaseLost
from chekov_operator.kube.namespaces import Namespaces
from chekov_operator.kube.referenced_objects import ReferencedObjects
from chekov_operator.kube.watch import Watch, configured
from chekov_operator.kube.watch_check import WatchCheck
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics
from chekov_operator.settings import Settings, SettingsError, read
from chekov_operator.stores.databases import Databases
from chekov_operator.stores.store_metrics import store_metrics

try:
    from uvloop import new_event_loop as _loop_factory
except ImportError:
    from asyncio import new_event_loop as _loop_factory

_FAILED: Final = 1
_MISUSED: Final = 2

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The process received SIGTERM or SIGINT."""


async def operate(settings: Settings) -> None:
    """Run until cancelled, or until the Lease is lost.

    Raises:
        LeaseLost: another replica leads.
    """
    metrics, health, lag = Metrics(), Health(), BundleLag()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            management.serving(health, metrics, lag, settings.management_port)
        )
        configuration = await load_configuration(settings.api_server)
        client = await stack.enter_async_context(connected(configuration, metrics))
        lag.client = client
        await definitions.wait_until_installed(client, health)
        lease = Lease(
            client,
            namespace=settings.namespace,
            name=settings.lease_name,
            holder=settings.name,
            seconds=settings.lease_seconds,
        )
        health.ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(definitions.keep_checking(client, health), name="definitions")
            # Before it is taken: what ends the process right after that releases it, too.
            stack.push_async_callback(lease.release)
            await lease.acquire()
            health.leading = True
            metrics.leading.set(1)
            group.create_task(lease.keep(), name="lease")
            async with _tracer(settings) as tracer:
                await _lead(settings, client, configuration, metrics, health, tracer)


@asynccontextmanager
async def _tracer(settings: Settings) -> AsyncGenerator[Tracer]:
    if not settings.tracing:
        yield tracing.NO_TRACER
        return
    from chekov.telemetry.trace_export import exporting  # noqa: PLC0415 -- large, and rarely used

    async with exporting({"service.instance.id": settings.name}) as provider:
        yield provider.get_tracer("chekov_operator")


async def _lead(
    settings: Settings,
    client: Client,
    configuration: Any,
    metrics: Metrics,
    health: Health,
    tracer: Tracer,
) -> None:
    cache, queue = Cache(), WorkQueue(metrics)
    namespaces = Namespaces(client, cache, settings.watch_namespaces, health, metrics)
    watch = Watch(queue, cache, namespaces, metrics)
    watch_check = WatchCheck(client, cache, namespaces)
    # With a partly filled cache, existing children would seem to be missing.
    await namespaces.fill()
    namespaced = bool(settings.watch_namespaces)

    def store_changed(store: Key) -> None:
        for key in (store, *watch.users_of(store)):
            queue.add(key)

    def reference_changed(reference: Key, owners: Iterable[Key]) -> None:
        if reference.kind == SECRET.name:
            databases.secret_changed(reference.namespace, reference.name)
        for owner in owners:
            queue.add(owner)

    children = ChildWatch(
        client,
        cache,
        watch.receive,
        settings.watch_namespaces,
        namespaces.versions,
        longest_pause=settings.refresh_seconds,
    )
    referenced = ReferencedObjects(client, settings.watch_namespaces, reference_changed)
    async with AsyncExitStack() as stack:
        # The task group is entered last and so ends first: no task uses a closed connection.
        databases = await stack.enter_async_context(
            Databases(client, store_changed, refresh_seconds=settings.refresh_seconds)
        )
        metrics.watch(lambda: store_metrics(databases.readings()))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        reconciler = Reconciler(
            client,
            cache,
            queue,
            metrics,
            all_controllers(client, cache, databases, referenced, settings),
            instance=settings.name,
            tracer=tracer,
        )
        for number in range(settings.workers):
            group.create_task(queue.work(reconciler), name=f"worker {number}")
        group.create_task(referenced.run(), name="referenced objects")
        group.create_task(watch_check.run(queue, health), name="watch check")
        group.create_task(children.run(), name="watches of children")
        group.create_task(
            namespaces.run(queue, pause=settings.refresh_seconds), name="watched namespaces"
        )
        await kopf.operator(
            registry=watch.registry(lambda: connection_of(configuration)),
            settings=configured(
                kopf.OperatorSettings(),
                namespaced=namespaced,
                longest_pause=settings.refresh_seconds,
            ),
            standalone=True,
            # By default kopf looks up the user's name, and a numeric uid need not have one.
            identity=settings.name,  # pyright: ignore[reportArgumentType]
            clusterwide=not namespaced,
            namespaces=settings.watch_namespaces,
        )
        # While it runs, kopf handles the signals, and it returns after one.
        raise _Stopped


async def _until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(operate(settings), name="operator")
        await stop.wait()
        raise _Stopped


def _messages(error: BaseException) -> list[str]:
    """The message of an error, or of each error in a tree of groups."""
    if not isinstance(error, BaseExceptionGroup):
        return [str(error)]
    errors = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return [message for inner in errors for message in _messages(inner)]


def main() -> int:
    """Run the operator; return the exit code."""
    try:
        settings = read()
    except SettingsError as error:
        sys.stderr.write(f"chekov-operator: {error}\n")
        return _MISUSED
    logs.configure("json", settings.log_level)
    gc_tuning.tune()
    code = 0
    try:
        with asyncio.Runner(loop_factory=_loop_factory) as runner:
            runner.run(_until_signalled(settings))
    except* _Stopped:
        _log.info("stopped")
    except* LeaseLost as lost:
        _log.error("no longer leading", extra={"error": "; ".join(_messages(lost))})
        code = _FAILED
    except* Exception:  # noqa: BLE001 logged, and reported by the exit code
        _log.exception("the operator failed")
        code = _FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
