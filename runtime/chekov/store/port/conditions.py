"""Conditions of an append on events and streams that it does not write."""

from typing import NamedTuple
from uuid import UUID

from chekov.domain.scope import Scope
from chekov.errors import StoreError


class NoneSince(NamedTuple):
    """No event in `scope` was stored above `position`.

    With an `anchor`, the event at the position has this id: otherwise the log was restored to an
    earlier state since it was read, and has grown again.
    """

    scope: Scope
    position: int
    anchor: UUID | None = None


class ConditionFailed(StoreError):
    """An event in the scope of the append's condition was stored; nothing of the append was.

    Attributes:
        position: of the first such event.
        type: its stored name.
    """

    def __init__(self, stream: str, position: int, type_: str) -> None:
        self.position, self.type = position, type_
        super().__init__(
            f"append to {stream!r}: its condition does not hold since {type_} at position "
            f"{position}; read on from the condition's position and decide again"
        )


class ConditionAhead(StoreError):
    """A condition, or a scope that is read on, is about a log that is gone; nothing was stored.

    The log was restored to an earlier state, or its database failed over and lost commits.

    Attributes:
        position: up to which the scope was read.
        head: the position of the last event.
    """

    def __init__(self, position: int, head: int) -> None:
        self.position, self.head = position, head
        found = "has another event there" if position <= head else f"ends at {head}"
        super().__init__(
            f"a scope was read up to position {position}, and the log {found}, so it is not the "
            "log that was read; read the scope again and decide again"
        )
