"""Keeping the condition of an append with its first event, so that it can be checked again."""

from collections.abc import Mapping, Sequence

from chekov.errors import InvalidAppend
from chekov.serialization.conditions import with_condition
from chekov.store.port import NewEvent, NoneSince, StreamAppend


def keeping(
    events: Sequence[NewEvent],
    condition: NoneSince | None,
    unchanged: Mapping[str, int] | None,
) -> Sequence[NewEvent]:
    """The events of an append, of which the first keeps its conditions in the metadata.

    Raises:
        InvalidAppend: its metadata is not a JSON object.
    """
    if not events or (condition is None and not unchanged):
        return events
    first = events[0]
    if first.metadata is not None:
        given = first.metadata.strip()
        if len(given) < 2 or not given.startswith(b"{") or not given.endswith(b"}"):
            raise InvalidAppend(f"the metadata of event {first.id} is not a JSON object")
    scope, after, _ = condition or (None, 0, None)
    kept = with_condition(first.metadata, scope, after, unchanged)
    # Not `_replace`, which takes three times as long.
    return [NewEvent(first.id, first.type, first.data, kept, *first[4:]), *events[1:]]


def keeping_together(
    appends: Sequence[StreamAppend],
    condition: NoneSince | None,
    unchanged: Mapping[str, int] | None,
) -> Sequence[StreamAppend]:
    """Appends that are stored together, of which the first keeps the conditions of all."""
    if not appends:
        return appends
    first = appends[0]
    return [first._replace(events=keeping(first.events, condition, unchanged)), *appends[1:]]
