"""Where a subscription starts when it is first registered, and where it begins again."""

import re
from datetime import datetime
from typing import Final

from chekov.domain.handler_definition import StartFrom
from chekov.errors import DefinitionError
from chekov.store.port import EventStore

_POSITION: Final = re.compile(r"[1-9][0-9]{0,18}\Z")


def parse_start(text: str) -> StartFrom:
    """What people write: `origin`, `now`, a position, or a time with its zone.

    Raises:
        ValueError: it is none of these; the message says what is expected.
    """
    if text == "origin" or text == "now":  # noqa: PLR1714 pyright narrows this only
        return text
    if _POSITION.match(text):
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "must be origin, now, a position or a time such as 2026-01-31T08:00:00Z"
        ) from None


async def start_position(store: EventStore, start: StartFrom, *, label: str) -> int:
    """The position after which a subscription starts: its first checkpoint.

    Args:
        store: holds the log.
        start: where it is to start.
        label: names the handler in an error.

    Raises:
        DefinitionError: the position is beyond the end of the log.
        StoreUnavailable: the database is away.
    """
    if start == "origin":
        return 0
    head = await store.head()
    if start == "now":
        return head
    if isinstance(start, datetime):
        return await _before(store, start, head)
    if start <= head + 1:
        return start - 1
    fault = (
        f"start_from {start} is beyond the end of the log, which is position {head}: give a "
        'position of this store, a time, or "now"'
    )
    raise DefinitionError(label, [fault])


async def _before(store: EventStore, time: datetime, head: int) -> int:
    """The position before an event at or after `time`, whose predecessor is earlier.

    In as many reads as the head has binary digits. The times of imported events need not rise.
    """
    earlier, later = 0, head + 1
    while later - earlier > 1:
        middle = (earlier + later) // 2
        found = await store.read_page(after=middle - 1, limit=1)
        if not found or found[0].time >= time:
            later = middle
        else:
            earlier = found[0].position
    return later - 1
