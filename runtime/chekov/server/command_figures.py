"""How the commands of this process end, and how long they take, reported to the store.

An operator reads there whether the code of a new revision does worse than that of the one before.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import uuid4

from chekov.engine.observer import Outcome
from chekov.errors import StoreError
from chekov.server.settings import Settings
from chekov.store.port import CommandFigures, Figures
from chekov.store.port.figures import BUCKETS, bucket_of

REPORT_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 2.0
_FAILURES: Final[frozenset[Outcome]] = frozenset({"failed", "timeout"})

_log: Final = logging.getLogger(__name__)


class CommandCounts:
    """Counts commands from the beginning of a process."""

    def __init__(self) -> None:
        self._failures = 0
        self._durations = [0] * BUCKETS

    def count(self, outcome: Outcome, seconds: float) -> None:
        """Count a command that has ended."""
        if outcome in _FAILURES:
            self._failures += 1
        self._durations[bucket_of(seconds)] += 1

    def figures(self, process: str, domain: str, revision: str) -> CommandFigures:
        """The figures of the process until now."""
        used = max((place for place, number in enumerate(self._durations, 1) if number), default=0)
        durations = self._durations[:used]
        return CommandFigures(process, domain, revision, sum(durations), self._failures, durations)


@asynccontextmanager
async def reporting(
    counts: CommandCounts,
    figures: Figures,
    settings: Settings,
    domain: str,
    *,
    every: float = REPORT_SECONDS,
) -> AsyncGenerator[None]:
    """Report the figures of this process to the store while the block runs, and when it ends."""
    process = f"{settings.node}/{uuid4().hex[:8]}"

    async def report() -> None:
        try:
            await figures.report(counts.figures(process, domain, settings.revision))
        except StoreError as error:
            _log.warning("the figures of commands were not reported", extra={"error": str(error)})

    async def keep_reporting() -> None:
        while True:
            await report()
            await asyncio.sleep(every)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(keep_reporting(), name="figures of commands")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await report()
