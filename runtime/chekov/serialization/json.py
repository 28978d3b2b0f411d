"""Values as JSON, for responses and output: independent of any domain."""

from typing import Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode


def to_json(value: object) -> bytes:
    """A value as JSON: plain values, dataclasses, UUIDs, times, decimals, sets and containers.

    Raises:
        TypeError: JSON cannot hold it.
    """
    return _encode(value)
