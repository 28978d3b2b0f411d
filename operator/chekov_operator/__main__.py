"""The operator's process: probes first, then the Lease, then watches and workers while it leads."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import Any, Final, cast

import kopf
from opentelemetry.trace import Tracer

from chekov_operator import definitions, logs, management, tracing
from chekov_operator.access import connection_of, load_configuration
from chekov_operator.audit import Audit
from chekov_operator.client import Client, connected
from chekov_operator.database import Databases
from chekov_operator.lease import Lease, LeaseLost
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics
from chekov_operator.observe import Observer
from chekov_operator.queue import Queue
from chekov_operator.reconcile import Reconciler
from chekov_operator.settings import Settings, SettingsError, read
from chekov_operator.watch import Watch, configured
from chekov_operator.world import World

_FAILED: Final = 1
_MISUSED: Final = 2

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """SIGTERM or SIGINT came."""


async def operate(settings: Settings) -> None:
    """Run until cancelled, or until the Lease is lost.

    Raises:
        LeaseLost: another replica leads.
    """
    metrics, health = Metrics(), Health()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            management.serving(health, metrics, settings.management_port)
        )
        configuration = await load_configuration()
        client = await stack.enter_async_context(connected(configuration, metrics))
        await definitions.installed(client, health)
        lease = Lease(
            client,
            namespace=settings.namespace,
            name=settings.lease_name,
            holder=settings.name,
            seconds=settings.lease_seconds,
        )
        health.ready.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(definitions.watch_over(client, health), name="definitions")
            await lease.acquire()
            stack.push_async_callback(lease.release)
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
    from chekov_operator.exporting import exporting  # noqa: PLC0415 -- most do without, and it is big

    async with exporting(settings.name) as tracer:
        yield tracer


async def _lead(
    settings: Settings,
    client: Client,
    configuration: Any,
    metrics: Metrics,
    health: Health,
    tracer: Tracer,
) -> None:
    world, queue = World(), Queue(metrics)
    watch = Watch(queue, world, metrics)
    audit = Audit(client, world, settings.watch_namespaces)
    # Before everything is known, a child that is there would seem to be missing.
    await audit.fill()
    namespaced = bool(settings.watch_namespaces)
    async with AsyncExitStack() as stack:
        # Entered last, the group ends first: nobody asks any more when the connections go.
        databases = stack.enter_context(closing(Databases(client)))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        observer = Observer(client, world, databases)
        reconciler = Reconciler(client, world, queue, metrics, observer, settings, tracer)
        for number in range(settings.workers):
            group.create_task(queue.work(reconciler), name=f"worker {number}")
        group.create_task(audit.watch_over(queue, health), name="audit")
        await kopf.operator(
            registry=watch.registry(lambda: connection_of(configuration)),
            settings=configured(kopf.OperatorSettings(), namespaced=namespaced),
            standalone=True,
            # By default kopf asks for the user's name, and a numeric uid need not have one.
            identity=settings.name,  # pyright: ignore[reportArgumentType]
            clusterwide=not namespaced,
            namespaces=settings.watch_namespaces,
        )
        # kopf listens for signals in our place while it runs, and returns after one.
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


def _told(error: BaseException) -> list[str]:
    """What an error says, or each error of a group of groups."""
    if not isinstance(error, BaseExceptionGroup):
        return [str(error)]
    errors = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return [message for inner in errors for message in _told(inner)]


def main() -> int:
    """Run the operator; the exit code."""
    try:
        settings = read()
    except SettingsError as error:
        sys.stderr.write(f"chekov-operator: {error}\n")
        return _MISUSED
    logs.configure(settings.log_level)
    code = 0
    try:
        asyncio.run(_until_signalled(settings))
    except* _Stopped:
        _log.info("stopped")
    except* LeaseLost as lost:
        _log.error("no longer leading", extra={"error": "; ".join(_told(lost))})
        code = _FAILED
    except* Exception:  # noqa: BLE001 told in the log, and by the exit code
        _log.exception("the operator failed")
        code = _FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
