"""Time-ordered unique ids (UUID version 7, RFC 9562), which keep an index on them compact."""

from random import getrandbits
from time import time_ns
from typing import Any, Final, cast
from uuid import UUID, SafeUUID

_VERSION_AND_VARIANT: Final = 0x7 << 76 | 0b10 << 62
_UNKNOWN: Final = SafeUUID.unknown
_new: Final = UUID.__new__
# Two ids are made for each command; the constructor's checks would cost more than all the rest.
_set_int: Final = cast("Any", UUID.int).__set__
_set_is_safe: Final = cast("Any", UUID.is_safe).__set__
_last = 0


def uuid7() -> UUID:
    """A new id: 48 bits of milliseconds, 12 of their fraction, 62 random ones.

    Ids made in one process sort in the order in which they were made.
    """
    global _last  # noqa: PLW0603
    # The bits below the millisecond hold its fraction (RFC 9562, 6.2, method 3).
    tick = (time_ns() << 12) // 1_000_000
    if tick <= _last:
        tick = _last + 1
    _last = tick
    made = _new(UUID)
    _set_int(made, tick >> 12 << 80 | (tick & 0xFFF) << 64 | _VERSION_AND_VARIANT | getrandbits(62))
    _set_is_safe(made, _UNKNOWN)
    return made
