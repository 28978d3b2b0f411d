"""Whether the log is still the one that this process has read: it may be restored meanwhile."""

import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import UUID

from chekov.store.tail import Tail

_log: Final = logging.getLogger(__name__)


class Anchor(NamedTuple):
    """An event that the log held: as long as it does, the log up to it is the same."""

    position: int
    id: UUID | None


class Question(NamedTuple):
    """What was known when the log was asked; any number may be under way at a time."""

    anchor: Anchor
    known: int
    """How far the log reached."""


class LogWatch:
    """Compares the log with what was known of it before it was asked.

    After a restore in place, or a fail-over that lost the last commits, the log ends earlier than
    it did, or holds other events at the same positions. Then nothing that was derived from it is
    right any more.

    Args:
        tail: knows how far the log reached.
        on_replaced: called with the position of the last event when the log is another one.
    """

    def __init__(self, tail: Tail, on_replaced: Callable[[int], None]) -> None:
        self._tail = tail
        self._on_replaced = on_replaced
        self._anchor = Anchor(0, None)

    def ask(self) -> Question:
        """Return what to compare the answer with; look for the event at its anchor."""
        newest = self._tail.newest
        if newest is not None and newest.position > self._anchor.position:
            self._anchor = Anchor(newest.position, newest.id)
        return Question(self._anchor, self._tail.head.value)

    def learn(
        self, question: Question, head: int, head_id: UUID | None, found: UUID | None
    ) -> None:
        """Compare.

        Args:
            question: as `ask` returned it.
            head: the position of the last event.
            head_id: its id.
            found: the id of the event at the position of the anchor.
        """
        replaced = head < question.known or found != question.anchor.id
        if replaced:
            where: dict[str, Any] = {"known": question.known, "found": head}
            _log.warning(
                "the log was restored to an earlier state: caches are dropped", extra=where
            )
            self._on_replaced(head)
        self._anchor = Anchor(head, head_id)
