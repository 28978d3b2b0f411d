"""Events as other programs store them in JSON, made into objects that classes have fields for."""

from typing import Final, Literal, TypeAlias

import msgspec

Origin: TypeAlias = Literal["chekov", "eventstore"]
"""Chekov in Rust, or Commanded's EventStore in Elixir."""

_OWN: Final = "$"
_NOTHING: Final = b"{}"
_encode: Final = msgspec.json.Encoder().encode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)
_value: Final = msgspec.json.Decoder(msgspec.Raw)


def content_of(origin: Origin, document: bytes) -> bytes:
    """The content of an event as a JSON object; one that is an object already stays as it is.

    Rust's serde writes a variant of an enum as `{"Variant": content}` or `"Variant"`
    (https://serde.rs/enum-representations.html). The event's type names the variant already, so
    what is inside is the content. What has no names, as `Moved(3, 4)`, gets the names `field_0`,
    `field_1` and so on.

    Raises:
        ValueError: it is not JSON.
    """
    document = document.strip()
    if origin == "chekov":
        document = _inside(document)
    match document[:1]:
        case b"{":
            return document
        case b"[":
            values = _items.decode(document)
        case _:
            values = [_value.decode(document)]
    return _encode({f"field_{place}": value for place, value in enumerate(values)})


def metadata_of(document: bytes | None) -> bytes | None:
    """The metadata of an event as a JSON object; `None` if there is nothing in it.

    Keys that begin with `$` are left out: in a store they are Chekov's own.

    Raises:
        ValueError: it is not a JSON object.
    """
    if document is None or document.strip() == b"null":
        return None
    members = _members.decode(document)
    kept = {key: value for key, value in members.items() if not key.startswith(_OWN)}
    if len(kept) == len(members):
        return document if kept else None
    return _encode(kept) if kept else None


def _inside(document: bytes) -> bytes:
    """The content of a variant of a Rust enum; anything else as it is."""
    if document.startswith(b'"'):
        return _NOTHING if _is_variant(_text.decode(document)) else document
    if document.startswith(b"{"):
        members = _members.decode(document)
        if len(members) == 1:
            [(name, content)] = members.items()
            if _is_variant(name):
                return bytes(content).strip()
    return document


def _is_variant(name: str) -> bool:
    """Whether it is written as variants of enums are in Rust, and fields are not."""
    return name[:1].isupper() and name.isidentifier()
