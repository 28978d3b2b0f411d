"""Making a `RecordedEvent` for each row, which is what reading spends its time on."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, cast

from chekov.store.port import RecordedEvent

new_record: Final = cast(
    "Callable[[Iterable[Any]], RecordedEvent]",
    partial(cast("Any", tuple).__new__, RecordedEvent),
)
"""The event of ten values in the order of its fields, three times as fast as its class."""
