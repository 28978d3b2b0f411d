"""Answers of appends that bring along what other processes stored before them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from chekov.store.port import RecordedEvent
from chekov.store.postgres.row_decoding import records

_ANSWER: Final = 3
"""Columns before those of an event."""


class Answer(NamedTuple):
    """The row that a statement answers, and the events that it brings along."""

    row: Sequence[Any]
    others: Sequence[RecordedEvent]


class FollowingStatements:
    """Chooses between a statement and the one that brings events along, prepared when needed.

    Args:
        followed: returns the position after which they are wanted; `None` for none.
        prepare: prepares a statement by its name on the connection.
    """

    def __init__(
        self, followed: Callable[[], int | None], prepare: Callable[[str], Awaitable[Any]]
    ) -> None:
        self._followed = followed
        self._prepare = prepare
        self._prepared: dict[str, Any] = {}

    def clear(self) -> None:
        """Forget what was prepared: there is another connection."""
        self._prepared.clear()

    async def fetch(self, statement: Any, name: str, values: Sequence[object]) -> Answer:
        """Execute `statement`, or the one that is called `<name>_following`."""
        after = self._followed()
        if after is None:
            return Answer(await statement.fetchrow(*values), ())
        following = self._prepared.get(name)
        if following is None:
            following = self._prepared[name] = await self._prepare(f"{name}_following")
        rows = await following.fetch(*values, after)
        found = rows[0][_ANSWER] is not None
        return Answer(rows[0][:_ANSWER], records([row[_ANSWER:] for row in rows]) if found else ())
