"""What every store refuses before it sends anything, and the limits that apply."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from chekov.domain.names import NAME_BYTES, OWN, is_name
from chekov.domain.scope import Scope
from chekov.errors import InvalidAppend, StoreError
from chekov.serialization.conditions import RECENT_SCOPES
from chekov.store.port import (
    Expected,
    ExpectedVersion,
    NewEvent,
    NoneSince,
    Snapshot,
    StreamAppend,
)

DELETED: Final = "$deleted"
"""The type of the event that ends a deleted stream."""

ERASED: Final = "$erased"
"""The type, and the stream, of erased events."""

LINK: Final = "$link"
"""The type of a link."""

APPEND_BYTES: Final = 128 * 1024 * 1024
"""The largest payload of one append."""

EVENT_BYTES: Final = 64 * 1024 * 1024
"""The largest payload of one event."""

HIGHEST: Final = 2**63 - 1
"""The highest version and position."""

MOST_TAGS: Final = 100
"""The most tags of an event, and of a scope's item; and the most items of a scope, and streams
that an append expects unchanged."""

LARGEST_PAGE: Final = 10_000
"""The most events, or streams, that one read returns."""

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
"""Postgres's driver takes these two for the infinities."""

_good_types: set[str] = set()


def check_append(
    stream: str, events: Sequence[NewEvent], expected: ExpectedVersion, *, own: bool = False
) -> int:
    """Return the size of an append in bytes; `own` events have a type of the store's own.

    Raises:
        InvalidAppend: the append cannot be stored.
    """
    check_stream(stream)
    if not events:
        raise InvalidAppend(f"an append to {stream!r} has no events: pass one or more")
    if expected < Expected.STREAM_EXISTS:
        raise InvalidAppend(
            f"expected version {expected} of {stream!r}: pass 0 or more, or a member of Expected"
        )
    total = 0
    for event in events:
        if event.type not in _good_types and not own:
            _check_type(event.type)
        if event.time is not None or event.tags:
            _check_time_and_tags(stream, event)
        size = len(event.data)
        if not size:
            raise InvalidAppend(f"an event for {stream!r} has no data: pass at least {{}}")
        if event.metadata is not None:
            size += len(event.metadata)
        if size > EVENT_BYTES:
            raise InvalidAppend(
                f"an event for {stream!r} has {size} bytes, {EVENT_BYTES} are allowed: store the "
                "content elsewhere and its address in the event"
            )
        total += size
    if total > APPEND_BYTES:
        raise InvalidAppend(
            f"an append to {stream!r} has {total} bytes, {APPEND_BYTES} are allowed: split it"
        )
    return total


def check_conditions(condition: NoneSince | None, unchanged: Mapping[str, int] | None) -> None:
    """Check what an append demands of events and streams that it does not write.

    Raises:
        InvalidAppend: it cannot be checked.
    """
    if condition is not None:
        check_scope(condition.scope)
        if not 0 <= condition.position <= HIGHEST:
            raise InvalidAppend(
                f"the position {condition.position} of a condition: pass 0 to {HIGHEST}"
            )
    if unchanged is not None and len(unchanged) > MOST_TAGS:
        raise InvalidAppend(f"{len(unchanged)} streams as unchanged: pass {MOST_TAGS} at most")
    for stream, version in (unchanged or {}).items():
        check_stream(stream)
        if not 0 <= version <= HIGHEST:
            raise InvalidAppend(
                f"version {version} of {stream!r}, which is to be unchanged: pass 0 to {HIGHEST}"
            )


@lru_cache(maxsize=RECENT_SCOPES)
def check_scope(scope: Scope) -> None:
    """Check that a scope can be looked for; those of recent ones that can are remembered.

    Raises:
        InvalidAppend: it is empty or too large, or names what no event has.
    """
    if not 0 < len(scope.items) <= MOST_TAGS:
        raise InvalidAppend(f"a scope has {len(scope.items)} items: pass 1 to {MOST_TAGS}")
    for item in scope.items:
        if not item.types and not item.tags:
            raise InvalidAppend("a scope with an item for every event: give types, tags or both")
        if len(item.tags) > MOST_TAGS or len(item.types) > NAME_BYTES:
            raise InvalidAppend(
                f"a scope's item has {len(item.types)} types and {len(item.tags)} tags: pass "
                f"{NAME_BYTES} and {MOST_TAGS} at most"
            )
        for name in item.types:
            _check_type(name)
        for tag in item.tags:
            _check_tag(tag)


def check_expected(stream: str, expected: ExpectedVersion) -> None:
    """Check that `expected` is a version or a member of `Expected`.

    Raises:
        InvalidAppend: it is neither.
    """
    if not Expected.STREAM_EXISTS <= expected <= HIGHEST:
        raise InvalidAppend(
            f"expected version {expected} of {stream!r}: pass 0 to {HIGHEST}, or a member of "
            "Expected"
        )


def check_stream(stream: str) -> None:
    """Check the name of a stream.

    Raises:
        InvalidAppend: it is empty, too long, contains NUL, or is one of the store's own.
    """
    if not is_name(stream) or stream.startswith(OWN):
        raise InvalidAppend(_bad_name("stream", stream))


def check_together(appends: Sequence[StreamAppend]) -> list[int]:
    """Return the size in bytes of each of several appends.

    Raises:
        InvalidAppend: they cannot be stored together.
    """
    if not appends:
        raise InvalidAppend("there is nothing to append: pass one append or more")
    sizes = [check_append(*append) for append in appends]
    [(twice, times)] = Counter(append.stream for append in appends).most_common(1)
    if times > 1:
        raise InvalidAppend(f"stream {twice!r} is named twice: pass its events as one append")
    if sum(sizes) > APPEND_BYTES:
        raise InvalidAppend(f"the appends have {sum(sizes)} bytes, {APPEND_BYTES} are allowed")
    return sizes


def check_link(stream: str, positions: Sequence[int]) -> None:
    """Check the arguments of a link.

    Raises:
        InvalidAppend: there are no positions, or the name cannot be that of a stream.
    """
    check_stream(stream)
    if not positions:
        raise InvalidAppend("there is nothing to link: pass one position or more")


def check_snapshot(snapshot: Snapshot) -> None:
    """Check the kind of a snapshot.

    Raises:
        StoreError: it is not valid UTF-8 text, or too long.
    """
    if not is_name(snapshot.kind):
        raise StoreError(f"a snapshot's kind must be 1 to {NAME_BYTES} bytes of UTF-8 without NUL")


def _check_type(name: str) -> None:
    if not is_name(name) or name.startswith(OWN):
        raise InvalidAppend(_bad_name("event type", name))
    # Bounded, since callers may invent names.
    if len(_good_types) < NAME_BYTES:
        _good_types.add(name)


def _check_time_and_tags(stream: str, event: NewEvent) -> None:
    if event.time is not None:
        _check_time(event.time)
    if len(event.tags) > MOST_TAGS:
        raise InvalidAppend(
            f"an event for {stream!r} has {len(event.tags)} tags, {MOST_TAGS} are allowed"
        )
    if len(set(event.tags)) < len(event.tags):
        raise InvalidAppend(f"an event for {stream!r} has a tag twice")
    for tag in event.tags:
        _check_tag(tag)


def _check_tag(tag: str) -> None:
    if not is_name(tag):
        raise InvalidAppend(
            f"tag {tag[:60]!r} must be 1 to {NAME_BYTES} bytes of UTF-8 without NUL"
        )


def _check_time(time: datetime) -> None:
    if time.utcoffset() is None:
        raise InvalidAppend(f"the time {time} of an event has no zone: pass one, such as UTC")
    try:
        fits = _FIRST < time.astimezone(UTC) < _LAST
    except OverflowError:
        fits = False
    if not fits:
        raise InvalidAppend(f"the time {time} of an event is too far away")


def _bad_name(what: str, name: str) -> str:
    return (
        f"{what} {name[:60]!r} must be 1 to {NAME_BYTES} bytes of UTF-8 without NUL and must not "
        f"start with {OWN}"
    )
