"""Where this process stands between its start and its end, as every listener must know."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal

Phase = Literal["starting", "serving", "draining"]


class Lifecycle:
    """One value that the probes read, the listeners follow and the shutdown moves on.

    Attributes:
        phase: starting, serving or draining; it only moves forward.
        reason: why it is not serving, for people.
    """

    def __init__(self) -> None:
        self.phase: Phase = "starting"
        self.reason = "the process is starting"
        self._stop = asyncio.Event()
        self._followers: set[asyncio.Timeout] = set()
        self._starting: set[asyncio.Timeout] = set()

    @property
    def stopping(self) -> bool:
        """Whether the process was asked to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the process to end; may be called from a signal handler, and again."""
        if not self._stop.is_set():
            self._stop.set()
            _end(self._starting)

    async def stopped(self) -> None:
        """Wait until the process is asked to end."""
        await self._stop.wait()

    async def pause(self, seconds: float) -> None:
        """Wait for a time, or until the process is asked to end."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    def serve(self) -> None:
        """The process takes requests from now on."""
        self.phase = "serving"
        self.reason = ""

    def drain(self) -> None:
        """The process finishes what it has; endless answers end now."""
        self.phase = "draining"
        self.reason = "the process is shutting down"
        _end(self._followers)

    def until_drained(self) -> AbstractAsyncContextManager[None]:
        """Surrounds an answer without an end: the block is left, without an error, at the drain."""
        return _until(self._followers, ended=self.phase == "draining")

    def until_stopped(self) -> AbstractAsyncContextManager[None]:
        """Surrounds a start: the block is left, without an error, when the process is to end."""
        return _until(self._starting, ended=self.stopping)


@asynccontextmanager
async def _until(scopes: set[asyncio.Timeout], *, ended: bool) -> AsyncGenerator[None]:
    scope = asyncio.timeout(0 if ended else None)
    try:
        async with scope:
            scopes.add(scope)
            try:
                yield
            finally:
                scopes.discard(scope)
    except TimeoutError:
        if not scope.expired():
            raise


def _end(scopes: set[asyncio.Timeout]) -> None:
    now = asyncio.get_running_loop().time()
    for scope in scopes:
        scope.reschedule(now)
