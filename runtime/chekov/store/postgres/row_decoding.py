"""Making a `RecordedEvent` for each row, which is what reading spends its time on."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, cast

from chekov.store.port import RecordedEvent

EVENT_COLUMNS: Final = (
    *("position", "stream", "version", "id", "type", "data", "metadata"),
    *("correlation_id", "causation_id", "time", "content"),
)
"""What `COPY` is given of an event, in this order; `data` is JSON, `content` anything else."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_from_bytes: Final = partial(int.from_bytes, byteorder="big", signed=True)

new_record: Final = cast(
    "Callable[[Iterable[Any]], RecordedEvent]",
    partial(cast("Any", tuple).__new__, RecordedEvent),
)
"""The event of ten values in the order of its fields, three times as fast as its class."""


def records(rows: Sequence[Any]) -> list[RecordedEvent]:
    """Events of rows whose last column is the time as Postgres sends it: microseconds from 2000.

    asyncpg takes twice as long for it, more than for all other columns together.
    """
    return [new_record((*row[:9], _EPOCH + timedelta(0, 0, _from_bytes(row[9])))) for row in rows]
