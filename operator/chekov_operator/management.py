"""The operator's management port: probes, metrics, and the lag of each bundle for autoscalers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from chekov_operator.bundle_lag import BundleLag
from chekov_operator.metrics import Metrics


@dataclass(slots=True)
class Health:
    """What the probes report.

    Attributes:
        missing: resource definitions that are not installed.
        leading: whether this replica leads.
        ready: set once this replica can take part in the leader election.
        stalled: whether watches failed to deliver changes that the API server lists.
        unreadable: namespaces that should be served and cannot be read.
    """

    missing: list[str] = field(default_factory=list[str])
    leading: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stalled: bool = False
    unreadable: list[str] = field(default_factory=list[str])


@asynccontextmanager
async def serving(
    health: Health, metrics: Metrics, lag: BundleLag, port: int
) -> AsyncGenerator[None]:
    """Serve the management port while the block runs."""

    async def livez(_request: web.Request) -> web.Response:
        if health.stalled:
            return web.Response(status=503, text="watches are silent\n")
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        if health.missing:
            names = ", ".join(health.missing)
            return web.Response(
                status=503, text=f"not installed: {names}; install the chart chekov-crds\n"
            )
        if not health.ready.is_set():
            return web.Response(status=503, text="starting\n")
        without = f", without {', '.join(health.unreadable)}" if health.unreadable else ""
        return web.Response(text=f"leading{without}\n" if health.leading else "standing by\n")

    async def metrics_text(_request: web.Request) -> web.Response:
        return web.Response(
            body=metrics.exposition(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    application = web.Application()
    application.router.add_get("/livez", livez)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics_text)
    application.router.add_get("/bundles/{namespace}/{name}", lag.answer)
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, None, port).start()
        yield
    finally:
        await runner.cleanup()
