"""Time-ordered unique ids (UUID version 7, RFC 9562), which keep an index on them compact."""

from random import getrandbits
from time import time_ns
from typing import Any, Final, cast
from uuid import UUID, SafeUUID

_VERSION_AND_VARIANT: Final = 0x7 << 76 | 0b10 << 62
_UNKNOWN: Final = SafeUUID.unknown
_new: Final = UUID.__new__
# Two ids are made for each command: they take 0.8 µs, and 2.5 µs by the constructor and its checks.
_set_int: Final = cast("Any", UUID.int).__set__
_set_is_safe: Final = cast("Any", UUID.is_safe).__set__
_millisecond = 0
_last = 0


def uuid7() -> UUID:
    """A new id: 48 bits of milliseconds since 1970, the others random.

    Ids made in one process sort in the order in which they were made: within a millisecond, each
    is the one before it plus a random step (RFC 9562, 6.2, method 2).
    """
    global _last, _millisecond  # noqa: PLW0603
    now = time_ns() // 1_000_000
    if now > _millisecond:
        _millisecond = now
        # The highest bit is left for the steps: room for 10¹¹ ids while the clock is set back.
        _last = now << 80 | getrandbits(12) << 64 | _VERSION_AND_VARIANT | getrandbits(61)
    else:
        _last += 1 + getrandbits(24)
    made = _new(UUID)
    _set_int(made, _last)
    _set_is_safe(made, _UNKNOWN)
    return made
