"""What no store accepts, told apart before anything is sent: the same in every adapter."""

from collections.abc import Sequence
from typing import Final

from chekov.errors import InvalidAppend
from chekov.store.port import Expected, ExpectedVersion, NewEvent

NAME_BYTES: Final = 1000
"""Longest name of a stream or an event type, in UTF-8: an index entry must hold it."""

APPEND_BYTES: Final = 128 * 1024 * 1024
"""Most payload that one append may carry."""

EVENT_BYTES: Final = 64 * 1024 * 1024
"""Most payload of one event."""

_good_types: set[str] = set()


def is_name(name: str) -> bool:
    """Whether a stream or a type can be called `name`."""
    if not name or "\0" in name:
        return False
    try:
        return len(name.encode()) <= NAME_BYTES
    except UnicodeEncodeError:
        return False


def check_append(stream: str, events: Sequence[NewEvent], expected: ExpectedVersion) -> int:
    """The bytes of an append that can be stored.

    Raises:
        InvalidAppend: says what is wrong with it.
    """
    if not is_name(stream):
        raise InvalidAppend(_bad_name("stream", stream))
    if not events:
        raise InvalidAppend(f"an append to {stream!r} has no events: pass one or more")
    if expected < Expected.STREAM_EXISTS:
        raise InvalidAppend(
            f"expected version {expected} of {stream!r}: pass 0 or more, or a member of Expected"
        )
    total = 0
    for event in events:
        if event.type not in _good_types:
            _check_type(event.type)
        size = len(event.data)
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


def _check_type(name: str) -> None:
    if not is_name(name):
        raise InvalidAppend(_bad_name("event type", name))
    # Bounded: names that callers make up must not fill the memory.
    if len(_good_types) < NAME_BYTES:
        _good_types.add(name)


def _bad_name(what: str, name: str) -> str:
    return f"{what} {name[:60]!r} must be 1 to {NAME_BYTES} bytes of UTF-8 without NUL"
