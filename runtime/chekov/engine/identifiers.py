"""Time-ordered unique ids (UUID version 7, RFC 9562), which keep an index on them compact."""

import os
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_last = 0


def uuid7() -> UUID:
    """A new id: 48 bits of milliseconds, then a counter within the process and random bits.

    Ids made in one process sort in the order in which they were made.
    """
    global _last  # noqa: PLW0603
    nanoseconds = time.time_ns()
    # 12 bits below the millisecond hold its fraction (RFC 9562, 6.2, method 3).
    tick = (nanoseconds // 1_000_000 << 12) | (nanoseconds % 1_000_000 << 12) // 1_000_000
    _last = tick if tick > _last else _last + 1
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(_last >> 12) << 80 | _VERSION | (_last & 0xFFF) << 64 | _VARIANT | random)
