"""The check that makes a figure worth printing: nothing lost, reordered or duplicated."""

from collections import Counter as Tally
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from chekov import RecordedEvent


class HistoryError(Exception):
    """The store does not hold exactly what was acknowledged."""


class Log(Protocol):
    """A store, as far as the check reads it."""

    def read_all(self) -> AsyncIterator[RecordedEvent]:
        """All events, by position."""
        ...


async def check(store: Log, acknowledged: Mapping[str, int]) -> int:
    """Read everything and compare it with the number of events acknowledged in each stream.

    Positions must be contiguous, versions must be contiguous in each stream, and ids unique.

    Args:
        store: what is read.
        acknowledged: stream → events, of all processes that appended.

    Returns:
        The number of events.

    Raises:
        HistoryError: events are missing, duplicated or out of order.
    """
    position = 0
    versions: Tally[str] = Tally()
    ids: set[bytes] = set()
    async for event in store.read_all():
        position += 1
        versions[event.stream] += 1
        if event.position != position:
            raise HistoryError(f"position {event.position} follows {position - 1}")
        if event.version != versions[event.stream]:
            raise HistoryError(
                f"{event.stream}: version {event.version} follows {versions[event.stream] - 1}"
            )
        ids.add(event.id.bytes)
    if len(ids) != position:
        raise HistoryError(f"{position - len(ids)} event ids are stored twice")
    wrong = [
        f"{name}: {acknowledged.get(name, 0)} acknowledged, {versions[name]} stored"
        for name in sorted({*acknowledged, *versions})
        if versions[name] != acknowledged.get(name, 0)
    ]
    if wrong:
        raise HistoryError("; ".join(wrong[:5]))
    return position
