"""The phases of a server process: starting, serving, draining."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal

Phase = Literal["starting", "serving", "draining"]


class Lifecycle:
    """The phase, which probes and listeners read, and the request to stop.

    Attributes:
        phase: only moves forward.
        reason: why the process is not serving, for people.
    """

    def __init__(self) -> None:
        self.phase: Phase = "starting"
        self.reason = "the process is starting"
        self._stop = asyncio.Event()
        self._endless_responses: set[asyncio.Timeout] = set()
        self._starting: set[asyncio.Timeout] = set()

    @property
    def stopping(self) -> bool:
        """Whether the process was asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask the process to stop; may be called from a signal handler, and repeatedly."""
        if not self._stop.is_set():
            self._stop.set()
            _end(self._starting)

    async def stopped(self) -> None:
        """Wait until the process is asked to stop."""
        await self._stop.wait()

    async def pause(self, seconds: float) -> None:
        """Wait for a time, but only until the process is asked to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    def serve(self) -> None:
        self.phase = "serving"
        self.reason = ""

    def drain(self) -> None:
        """Finish what is in progress; endless responses end now."""
        self.phase = "draining"
        self.reason = "the process is shutting down"
        _end(self._endless_responses)

    def until_drained(self) -> AbstractAsyncContextManager[None]:
        """Surrounds an endless response: leaves the block, without an error, at the drain."""
        return _until(self._endless_responses, ended=self.phase == "draining")

    def until_stopped(self) -> AbstractAsyncContextManager[None]:
        """Surrounds the start: leaves the block, without an error, when the process has to stop."""
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
