"""Conditions of an append on events and streams that it does not write."""

from typing import NamedTuple

from chekov.domain.scope import Scope
from chekov.errors import StoreError


class NoneSince(NamedTuple):
    """No event in `scope` was stored above `position`."""

    scope: Scope
    position: int


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
    """The append's condition names a position that the log does not reach; nothing was stored.

    The log was restored to an earlier state, or its database failed over and lost commits.

    Attributes:
        position: of the condition.
        head: the position of the last event.
    """

    def __init__(self, stream: str, position: int, head: int) -> None:
        self.position, self.head = position, head
        super().__init__(
            f"append to {stream!r}: its condition names position {position}, and the log ends at "
            f"{head}, so it is not the log that was read; read its scope again and decide again"
        )
