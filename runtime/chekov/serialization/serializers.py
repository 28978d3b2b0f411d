"""The built-in serializers: JSON, which is the default, and MessagePack."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar, cast, get_type_hints

import msgspec

from chekov.domain.serializer import Serializer

T = TypeVar("T")

JSON_BEGINS: Final = b"{"
"""The first byte of JSON content, and of no other."""

FIELD_TYPES: Final = "see docs/reference/field-types.md"

_encode_json: Final = msgspec.json.Encoder().encode
_read_map: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Json:
    """JSON: readable in SQL and by every tool."""

    name = "json"

    def encode(self, value: object, /) -> bytes:
        return _encode_json(value)

    def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
        return msgspec.json.Decoder(type_).decode


class MessagePack:
    """MessagePack: smaller than JSON, and faster where there are many numbers or bytes.

    SQL sees only bytes. Whole numbers must lie between -2**63 and 2**64 - 1.
    """

    name = "messagepack"

    def encode(self, value: object, /) -> bytes:
        return msgspec.msgpack.encode(value)

    def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
        return msgspec.msgpack.Decoder(type_).decode


def json_decoder(type_: type[T], faults: list[str]) -> Callable[[bytes], T]:
    """A decoder of JSON; a type that JSON cannot hold is a fault."""
    decoder = msgspec.json.Decoder(cast("type[T]", object))
    try:
        decoder = msgspec.json.Decoder(type_)
        msgspec.json.schema(type_)
    except (TypeError, NameError) as error:
        faults += _unwritable_fields(type_) or [_unwritable(type_.__qualname__, error)]
    return decoder.decode


def _unwritable_fields(type_: Any) -> list[str]:
    """A sentence for each field of a class whose type JSON cannot hold."""
    try:
        hints = get_type_hints(type_, include_extras=True)
    except (TypeError, NameError):
        return []
    found: list[str] = []
    for item in fields(type_) if is_dataclass(cast("object", type_)) else ():
        try:
            msgspec.json.Decoder(hints[item.name])
            msgspec.json.schema(hints[item.name])
        except (TypeError, NameError) as error:
            found.append(_unwritable(f"{type_.__qualname__}.{item.name}", error))
    return found


def _unwritable(what: str, error: Exception) -> str:
    reason = str(error).split("\n\n")[-1]
    return f"{what} cannot be written as JSON: {reason} ({FIELD_TYPES})"


def decoder_of(serializer: Serializer, type_: type[T], faults: list[str]) -> Callable[[bytes], T]:
    """The decoder of a serializer; a type that it cannot decode is a fault."""
    try:
        return serializer.decoder(type_)
    except Exception as error:  # noqa: BLE001 a serializer may raise anything
        faults.append(
            f"{type_.__qualname__} cannot be decoded by {serializer.name}: {error} ({FIELD_TYPES})"
        )
        return cast("Callable[[bytes], T]", msgspec.json.decode)


def either(json: Callable[[bytes], T], other: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """A decoder that uses `json` for JSON content, and `other` for any other."""

    def decode(data: bytes) -> T:
        return json(data) if data.startswith(JSON_BEGINS) else other(data)

    return decode


def plain(read: Callable[[bytes], dict[str, Any]]) -> Callable[[bytes], dict[str, Any]]:
    """A decoder like `read`, whose times, bytes and keys have the form that JSON gives them."""

    def read_plain(data: bytes) -> dict[str, Any]:
        return msgspec.to_builtins(read(data), str_keys=True)

    return read_plain


def as_json(data: bytes) -> bytes | None:
    """JSON or MessagePack content of an event as JSON; `None` when it is neither."""
    if data.startswith(JSON_BEGINS):
        return data
    try:
        return _encode_json(_read_map(data))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return None
