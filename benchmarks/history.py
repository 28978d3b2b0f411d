"""The check that makes a figure worth printing: nothing lost, reordered or stored twice."""

from collections import Counter as Tally
from collections.abc import Mapping

from chekov.store.port import EventStore


class HistoryError(Exception):
    """The store does not hold exactly what was acknowledged."""


async def check(store: EventStore, acknowledged: Mapping[str, int]) -> int:
    """Read everything and compare it with how many events each stream was acknowledged.

    Returns the number of events. Every position must follow the one before it, every version
    the one before it in its stream, no id may come twice.

    Raises:
        HistoryError: says what is missing, doubled or out of order.
    """
    position = 0
    versions: Tally[str] = Tally()
    ids: set[bytes] = set()
    async for event in store.read_all():
        position += 1
        versions[event.stream] += 1
        if event.position != position:
            raise HistoryError(f"position {position} is missing: {event.position} came instead")
        if event.version != versions[event.stream]:
            raise HistoryError(
                f"{event.stream}: {event.version} after {versions[event.stream] - 1}"
            )
        ids.add(event.id.bytes)
    if len(ids) != position:
        raise HistoryError(f"{position - len(ids)} ids came twice")
    wrong = {
        name: (count, versions[name])
        for name, count in acknowledged.items()
        if versions[name] != count
    }
    if wrong or position != sum(acknowledged.values()):
        raise HistoryError(f"acknowledged and stored differ: {dict(list(wrong.items())[:5])}")
    return position
