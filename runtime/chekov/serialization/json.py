"""Values as JSON, for responses and output: independent of any domain."""

from collections import deque
from collections.abc import Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, Final, cast

import msgspec

_ADDRESSES: Final = (
    IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network,
)  # fmt: skip


def to_json(value: object) -> bytes:
    """A value as JSON: plain values, dataclasses, UUIDs, times, decimals, sets and containers.

    Rows of a database are objects, wherever they are in the value.

    Raises:
        TypeError: JSON cannot hold it.
    """
    return _encode(value)


def raw_json(text: bytes) -> object:
    """Text that is JSON already, for `to_json` to write as it is."""
    return msgspec.Raw(text)


def to_sorted_json(value: object) -> bytes:
    """As `to_json`, with the members of each object by name: equal values are equal bytes."""
    return _encode_sorted(value)


def from_json(text: str | bytes) -> Any:
    """The plain values of JSON.

    Raises:
        ValueError: it is not JSON.
    """
    return msgspec.json.decode(text)


def plain_values(values: Mapping[str, object]) -> dict[str, Any]:
    """Values as `to_json` writes them, in plain types; as text what JSON cannot hold."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        try:
            found[name] = msgspec.json.decode(_encode(value))
        except (TypeError, ValueError, RecursionError):
            found[name] = str(value)
    return found


def _plain(value: object) -> object:
    """Return in plain types what msgspec does not know."""
    if isinstance(value, Mapping) or (hasattr(value, "keys") and hasattr(value, "items")):
        return dict(cast("Mapping[object, object]", value).items())
    if isinstance(value, deque):
        return list(cast("deque[object]", value))
    if isinstance(value, _ADDRESSES):
        return str(value)
    raise TypeError(f"JSON cannot hold a value of type {type(value).__qualname__}")


_encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode
_encode_sorted: Final = msgspec.json.Encoder(enc_hook=_plain, order="sorted").encode
