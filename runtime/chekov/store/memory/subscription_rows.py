"""The row of a subscription in memory."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chekov.store.memory.parked_rows import ParkedRows


@dataclass(slots=True)
class Row:
    """A subscription's checkpoint, owner and parked events."""

    position: int
    registered: int
    updated: datetime
    parked: ParkedRows
    owner: str | None = None
    epoch: int = 0
    lease_until: datetime | None = None
    state: Literal["running", "paused", "stopped"] = "running"
    error: str | None = None
    paused_by: str = ""
    replay: str = ""
