"""What no store accepts, told apart before anything is sent: the same in every adapter."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from chekov.domain.names import NAME_BYTES, OWN, is_name
from chekov.errors import InvalidAppend, StoreError
from chekov.store.port import Expected, ExpectedVersion, NewEvent, Snapshot, StreamAppend

DELETED: Final = "$deleted"
"""Type of the event that ends a deleted stream."""

ERASED: Final = "$erased"
"""Type, and stream, of events whose content was taken away."""

LINK: Final = "$link"
"""Type of an event that stands for another one."""

APPEND_BYTES: Final = 128 * 1024 * 1024
"""Most payload that one append may carry."""

EVENT_BYTES: Final = 64 * 1024 * 1024
"""Most payload of one event."""

HIGHEST: Final = 2**63 - 1
"""No version and no position is above it."""

LARGEST_PAGE: Final = 10_000
"""Most events, or streams, that one read returns."""

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
"""These two mean the infinities to Postgres's driver."""

_good_types: set[str] = set()


def check_append(
    stream: str, events: Sequence[NewEvent], expected: ExpectedVersion, *, own: bool = False
) -> int:
    """The bytes of an append that can be stored; `own` events have a type of the store's own.

    Raises:
        InvalidAppend: says what is wrong with it.
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
        if event.time is not None:
            _check_time(event.time)
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


def check_expected(stream: str, expected: ExpectedVersion) -> None:
    """Refuse what no stream can be at.

    Raises:
        InvalidAppend: it is no version and no member of `Expected`.
    """
    if not Expected.STREAM_EXISTS <= expected <= HIGHEST:
        raise InvalidAppend(
            f"expected version {expected} of {stream!r}: pass 0 to {HIGHEST}, or a member of "
            "Expected"
        )


def check_stream(stream: str) -> None:
    """Refuse what cannot be the name of a stream.

    Raises:
        InvalidAppend: it is empty, too long, holds NUL, or is one of the store's own.
    """
    if not is_name(stream) or stream.startswith(OWN):
        raise InvalidAppend(_bad_name("stream", stream))


def check_together(appends: Sequence[StreamAppend]) -> list[int]:
    """The bytes of each of several appends that can be stored together.

    Raises:
        InvalidAppend: says what is wrong with them.
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
    """Refuse what cannot be linked.

    Raises:
        InvalidAppend: there are no positions, or the stream's name cannot be one.
    """
    check_stream(stream)
    if not positions:
        raise InvalidAppend("there is nothing to link: pass one position or more")


def check_snapshot(snapshot: Snapshot) -> None:
    """Refuse a snapshot that cannot be kept.

    Raises:
        StoreError: its kind is no text, or too long.
    """
    if not is_name(snapshot.kind):
        raise StoreError(f"a snapshot's kind must be 1 to {NAME_BYTES} bytes of UTF-8 without NUL")


def _check_type(name: str) -> None:
    if not is_name(name) or name.startswith(OWN):
        raise InvalidAppend(_bad_name("event type", name))
    # Bounded: names that callers make up must not fill the memory.
    if len(_good_types) < NAME_BYTES:
        _good_types.add(name)


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
