"""The role `figures` in memory."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from chekov.store.port import CommandFigures

_KEPT: Final = timedelta(minutes=10)


class MemoryFigures:
    """One row per process.

    Args:
        clock: tells when a process reported.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._now = clock
        self._rows: dict[str, tuple[CommandFigures, datetime]] = {}

    async def report(self, figures: CommandFigures) -> None:
        """Replace what a process reported before."""
        now = self._now()
        self._rows = {
            process: row for process, row in self._rows.items() if now - row[1] <= _KEPT
        } | {figures.process: (figures, now)}

    async def list(self) -> Sequence[CommandFigures]:
        """What each process reported."""
        return [figures for _, (figures, _) in sorted(self._rows.items())]
