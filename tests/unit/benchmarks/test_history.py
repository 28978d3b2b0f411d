"""The check of the whole history, also over the events of two processes."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from benchmarks.history import HistoryError, check
from chekov import RecordedEvent

Row = tuple[int, str, int]


class Log:
    def __init__(self, *rows: Row, ids: dict[int, int] | None = None) -> None:
        self._rows = rows
        self._ids = ids or {}

    async def read_all(self) -> AsyncIterator[RecordedEvent]:
        for position, stream, version in self._rows:
            id_ = UUID(int=self._ids.get(position, position))
            now = datetime.now(UTC)
            yield RecordedEvent(
                position, stream, version, id_, "Added", b"{}", None, None, None, now
            )


SOUND: tuple[Row, ...] = ((1, "a", 1), (2, "b", 1), (3, "a", 2))


async def test_the_events_of_two_processes_add_up() -> None:
    acknowledged = Counter({"a": 1}) + Counter({"a": 1, "b": 1})
    assert await check(Log(*SOUND), acknowledged) == 3


@pytest.mark.parametrize(
    ("log", "acknowledged", "message"),
    [
        (Log(*SOUND), {"a": 3, "b": 1}, "a: 3 acknowledged, 2 stored"),
        (Log(*SOUND), {"a": 2}, "b: 0 acknowledged, 1 stored"),
        (Log(*SOUND), {"a": 2, "b": 1, "c": 1}, "c: 1 acknowledged, 0 stored"),
        (Log((1, "a", 1), (3, "a", 2)), {"a": 2}, "position 3 follows 1"),
        (Log((1, "a", 1), (2, "a", 3)), {"a": 2}, "a: version 3 follows 1"),
        (Log(*SOUND, ids={3: 1}), {"a": 2, "b": 1}, "1 event ids are stored twice"),
    ],
    ids=["lost", "not acknowledged", "lost stream", "gap", "version", "duplicated"],
)
async def test_a_fault_is_found(log: Log, acknowledged: dict[str, int], message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        await check(log, acknowledged)
