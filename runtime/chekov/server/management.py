"""The management port: probes, metrics, the manifest and the state of subscriptions."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from chekov.domain.domain import Domain
from chekov.errors import ChekovError
from chekov.runtime import Runtime
from chekov.serialization.json import to_json
from chekov.server.endpoint import reporting_problems
from chekov.server.index import index
from chekov.server.lifecycle import Lifecycle
from chekov.server.management_access import ManagementAccess
from chekov.server.manifest import manifest
from chekov.server.methods import ANY_PATH, not_found, options
from chekov.server.metrics import Metrics
from chekov.server.processes import ProcessEndpoints
from chekov.server.projections import ProjectionEndpoints
from chekov.server.runtime_collector import RuntimeCollector
from chekov.server.schedules import ScheduleEndpoints
from chekov.server.subscriptions import SubscriptionEndpoints

_PING_TIMEOUT: Final = 2.0
_PING_INTERVAL: Final = 1.0
_UNAVAILABLE: Final = 503


class Management:
    """The management endpoints, from before the runtime opens until after it closes.

    Args:
        domain: its names make up the manifest.
        metrics: exposed at `/metrics`.
        lifecycle: decides what the probes answer.
        about: further members of the manifest.
        token: a bearer token for all but probes, metrics and the manifest; empty for none.
    """

    def __init__(
        self,
        domain: Domain,
        metrics: Metrics,
        lifecycle: Lifecycle,
        about: Mapping[str, str],
        token: str = "",
    ) -> None:
        self._collector = RuntimeCollector()
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._manifest = to_json({**manifest(domain), **about})
        self._store = _StoreProbe()
        self._index = index(
            f"{domain.name}: management",
            "This port of a Chekov service is for probes, Prometheus and people who operate it. "
            "Commands and events are at its API port, by default 8080.",
            {
                "/subscriptions": "the state of each subscription in this process",
                "/subscriptions/abandoned": "the subscriptions that no process has any more",
                "/projections": "the generations of the projections' tables, with their progress",
                "/metrics": "metrics for Prometheus",
                "/manifest": "the names of aggregates, commands, events and subscriptions",
                "/processes": "the open instances of process managers, and what they wait for",
                "/scheduled": "the commands that are to be executed later, once or recurring",
                "/readyz": "whether it should get requests",
                "/startupz": "whether it has started",
                "/livez": "whether it works",
            },
        )
        access = ManagementAccess(lambda: self.runtime, lifecycle, token)
        self._subscriptions = SubscriptionEndpoints(access)
        self._projections = ProjectionEndpoints(access)
        self._processes = ProcessEndpoints(access)
        self._schedules = ScheduleEndpoints(access)
        metrics.watch(self._collector.collect)

    @property
    def runtime(self) -> Runtime | None:
        """The runtime, once it is open."""
        return self._collector.runtime

    @runtime.setter
    def runtime(self, opened: Runtime) -> None:
        self._collector.runtime = opened

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._index)
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/startupz", self._started)
        app.router.add_get("/metrics", self._exposition)
        app.router.add_get("/manifest", self._show_manifest)
        app.router.add_routes(self._subscriptions.routes())
        app.router.add_routes(self._projections.routes())
        app.router.add_routes(self._processes.routes())
        app.router.add_routes(self._schedules.routes())
        app.router.add_route("OPTIONS", ANY_PATH, reporting_problems(options))
        app.router.add_route("*", ANY_PATH, reporting_problems(not_found))
        return app

    async def _live(self, _request: web.Request) -> web.Response:
        serving = self._lifecycle.phase == "serving"
        broken = serving and self.runtime is not None and not self.runtime.healthy
        return _status("a background task has ended" if broken else "")

    async def _started(self, _request: web.Request) -> web.Response:
        return _status(self._lifecycle.reason if self._lifecycle.phase == "starting" else "")

    async def _ready(self, _request: web.Request) -> web.Response:
        if self._lifecycle.phase != "serving" or self.runtime is None:
            return _status(self._lifecycle.reason)
        # A handler in trouble keeps no command from being accepted.
        fault = await self._store.fault(self.runtime) or self.runtime.projections.held
        return _status(fault, self.runtime.engine.troubles)

    async def _exposition(self, request: web.Request) -> web.Response:
        await self._collector.refresh()
        page, content_type = self._metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _show_manifest(self, _request: web.Request) -> web.Response:
        return _json(self._manifest)


class _StoreProbe:
    """Pings the store at most once a second, however many probes arrive."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._valid_until = float("-inf")
        self._fault = ""

    async def fault(self, runtime: Runtime) -> str:
        """Why the store is unavailable; empty if it is available."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._valid_until:
                self._fault = await self._ping(runtime)
                self._valid_until = loop.time() + _PING_INTERVAL
            return self._fault

    async def _ping(self, runtime: Runtime) -> str:
        try:
            async with asyncio.timeout(_PING_TIMEOUT):
                await runtime.store.ping()
        except TimeoutError:
            return f"store: it did not answer within {_PING_TIMEOUT:g} s"
        except ChekovError as error:
            return f"store: {error}"
        return ""


def _status(fault: str, troubles: Sequence[str] = ()) -> web.Response:
    more = {"troubles": troubles} if troubles else {}
    if not fault:
        return _json(to_json({"status": "ok", **more}))
    return _json(to_json({"status": "unavailable", "reason": fault, **more}), _UNAVAILABLE)


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})
