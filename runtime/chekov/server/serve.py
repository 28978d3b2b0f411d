"""The lifespan of a server process: what is opened in which order, and closed in reverse.

The management port opens first, so that probes are answered while the process waits for the store.
On SIGTERM the process becomes unready, waits until routes have changed, accepts no further
connections, finishes its requests, stops the subscriptions at a checkpoint and closes the store.
"""

import asyncio
import logging
import platform
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from chekov import gc_tuning
from chekov.backoff import Backoff
from chekov.domain.domain import Domain
from chekov.domain.failure import Retry
from chekov.engine.commands.cache_limits import CacheLimits
from chekov.engine.failures import is_requested
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.keys import subscription_key
from chekov.errors import StoreUnavailable
from chekov.runtime import Runtime
from chekov.server import http
from chekov.server.authentication.authenticator import authenticating
from chekov.server.command_figures import reporting
from chekov.server.file_watch import FileWatch
from chekov.server.http_listener import listening
from chekov.server.lifecycle import Lifecycle
from chekov.server.management import Management
from chekov.server.metrics import Metrics
from chekov.server.setting_parsers import is_loopback
from chekov.server.settings import Settings
from chekov.server.tls import ServerCertificate
from chekov.server.tracing import CallersTrace, Tracing
from chekov.store.port import Store
from chekov.store.postgres import PostgresStore

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0
_SHORTEST_DRAIN: Final = 0.5
_OWN_COMMANDS: Final = 256
"""That the domain itself sends at a time, at least; scheduled commands alone are up to 200."""

try:
    from uvloop import new_event_loop as _loop_factory
except ImportError:
    from asyncio import new_event_loop as _loop_factory

_log: Final = logging.getLogger(__name__)


class Ports(NamedTuple):
    """Where a process listens."""

    http: int
    management: int


def run(main: Callable[[Lifecycle], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in an event loop of its own; SIGTERM and SIGINT stop its lifecycle.

    Raises:
        ChekovError: the process cannot start.
        BaseExceptionGroup: a background task failed.
        CancelledError: a second SIGINT cancelled everything.
    """

    async def signalled() -> None:
        lifecycle = Lifecycle()
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def interrupt() -> None:
            if lifecycle.stopping and task is not None:
                task.cancel()
            lifecycle.stop()

        loop.add_signal_handler(signal.SIGTERM, lifecycle.stop)
        loop.add_signal_handler(signal.SIGINT, interrupt)
        await main(lifecycle)

    with asyncio.Runner(loop_factory=_loop_factory) as runner:
        _run_to_its_end(runner.get_loop(), signalled())


def _run_to_its_end(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, None]) -> None:
    """Run `main`, whatever another task raises.

    asyncio stops its loop when a task lets out `SystemExit` or `KeyboardInterrupt`. The domain
    started that task, and must not end the process by it: who awaits the task gets the error.
    """
    task = loop.create_task(main)
    while True:
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            if task.done() or is_requested(error, task):
                raise
            _log.exception("a task raised an exit that nobody requested")


async def serve(
    settings: Settings,
    domain: Domain,
    lifecycle: Lifecycle,
    announce: Callable[[Ports], None] | None = None,
) -> None:
    """Serve until `lifecycle` is stopped; call `announce` once requests are accepted.

    Raises:
        ChekovError: files with tokens, keys or the certificate cannot be used, or a port is taken.
    """
    about = _about(settings, domain)
    watch = FileWatch()
    async with AsyncExitStack() as stack:
        certificate = _certificate(settings, watch)
        tls = certificate.context if certificate else None
        authenticator = await stack.enter_async_context(authenticating(settings, watch))
        await stack.enter_async_context(_watching(watch))
        tracing = await stack.enter_async_context(_tracing(settings, about))
        metrics = _metrics(domain, about, certificate)
        management = Management(domain, metrics, lifecycle, about, settings.management_token)
        probes = await stack.enter_async_context(
            listening(management.application(), settings.http_host, settings.management_port, tls)
        )
        _log.info("answering probes", extra={"management": probes.port})
        runtime = await _opened(
            stack, settings, domain, [metrics, tracing or CallersTrace()], lifecycle
        )
        if runtime is None:
            return
        management.runtime = runtime
        if settings.revision:
            await stack.enter_async_context(
                reporting(metrics.counts, runtime.store.figures, settings, domain.name)
            )
        app = http.application(runtime, metrics, tracing, lifecycle, settings, authenticator)
        api = await stack.enter_async_context(
            listening(
                app, settings.http_host, settings.http_port, tls, most=settings.max_connections
            )
        )
        ports = Ports(http=api.port, management=probes.port)
        if authenticator is None:
            _warn_of_open_port(settings)
        gc_tuning.tune()
        lifecycle.serve()
        _log.info("serving", extra={**about, **ports._asdict()})
        if announce is not None:
            announce(ports)
        await lifecycle.stopped()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + settings.drain_timeout
        _log.info("draining")
        lifecycle.drain()
        await asyncio.sleep(settings.drain_delay)
        await api.finish(
            max(deadline - loop.time(), _SHORTEST_DRAIN),
            busy=lambda: metrics.requests_in_flight,
        )
        await runtime.drain(max(deadline - loop.time(), _SHORTEST_DRAIN))
    _log.info("drained")


def _certificate(settings: Settings, watch: FileWatch) -> ServerCertificate | None:
    if not settings.tls_certificate:
        return None
    files = Path(settings.tls_certificate), Path(settings.tls_key)
    certificate = ServerCertificate(*files)
    watch.add(files, certificate.reload)
    return certificate


def _metrics(
    domain: Domain, about: Mapping[str, str], certificate: ServerCertificate | None
) -> Metrics:
    keys = [subscription_key(domain, handler) for handler in domain.handlers]
    metrics = Metrics(domain.commands, keys)
    metrics.describe(**about)
    if certificate is not None:
        metrics.watch_certificate(lambda: certificate.expires, lambda: certificate.is_current)
    return metrics


@asynccontextmanager
async def _watching(watch: FileWatch) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch.run())
        try:
            yield
        finally:
            task.cancel()


def _warn_of_open_port(settings: Settings) -> None:
    if not is_loopback(settings.http_host):
        _log.warning(
            "the API is open to everybody who can reach %s: set CHEKOV_AUTH_TOKENS or "
            "CHEKOV_AUTH_JWT_*, or have something before it that authenticates",
            settings.http_host,
        )


@asynccontextmanager
async def _tracing(settings: Settings, about: Mapping[str, str]) -> AsyncGenerator[Tracing | None]:
    if settings.tracing == "off":
        yield None
        return
    from chekov.telemetry.trace_export import exporting  # noqa: PLC0415 -- loads for a tenth of a second

    attributes = {f"chekov.{name}": value for name, value in about.items() if value}
    attributes["service.instance.id"] = settings.node
    async with exporting(attributes, to_console=settings.tracing == "console") as provider:
        yield Tracing(provider)


async def _opened(
    stack: AsyncExitStack,
    settings: Settings,
    domain: Domain,
    observers: Sequence[Observer],
    lifecycle: Lifecycle,
) -> Runtime | None:
    """The runtime once its store answers, or `None` if the process is stopped before that."""
    backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT)
    while not lifecycle.stopping:
        runtime = Runtime(
            domain,
            store=_store(settings),
            node=settings.node,
            observers=observers,
            command_timeout=settings.command_timeout,
            max_in_flight=most_in_flight(settings),
            max_recurring=settings.max_recurring,
            cache=cache_limits(settings),
            lease=settings.lease,
            retry=retry_policy(settings),
            handlers=settings.subscriptions,
            master_key=settings.master_key or None,
            debug=settings.debug,
        )
        try:
            async with lifecycle.until_stopped():
                return await stack.enter_async_context(runtime)
        except StoreUnavailable as error:
            lifecycle.reason = f"the event store is away: {error}"
            wait = backoff.next()
            _log.warning(
                "waiting for the event store", extra={"error": str(error), "wait": round(wait, 2)}
            )
            await lifecycle.pause(wait)
    return None


def _store(settings: Settings) -> Store:
    return PostgresStore(
        settings.store,
        schema=settings.schema,
        pool_size=settings.pool_size,
        migrate=settings.migrate,
        pooled=settings.pooled,
        statement_timeout=settings.statement_timeout,
        query_timeout=settings.query_timeout,
    )


def most_in_flight(settings: Settings) -> int:
    """The commands that the runtime executes at a time: of clients, and of the domain itself.

    Clients wait at the gate for `max_in_flight` places. Process managers, timers and handlers send
    their commands past it, so there is room for them however many clients there are.
    """
    return settings.max_in_flight + max(_OWN_COMMANDS, settings.max_in_flight // 10)


def retry_policy(settings: Settings) -> Retry:
    return Retry(
        attempts=settings.retry_attempts,
        first=settings.retry_first_pause,
        longest=settings.retry_longest_pause,
    )


def cache_limits(settings: Settings) -> CacheLimits:
    idle = timedelta(seconds=settings.cached_idle) if settings.cached_idle else None
    return CacheLimits(settings.cached_aggregates, settings.cached_bytes, idle)


def _about(settings: Settings, domain: Domain) -> dict[str, str]:
    return {
        "version": version("chekov"),
        "python": platform.python_version(),
        "domain": domain.name,
        "bundle": settings.bundle,
        "revision": settings.revision,
        "node": settings.node,
    }
