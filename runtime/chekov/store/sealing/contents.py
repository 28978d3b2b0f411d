"""Splitting the content of events into fields for sealing, and joining them again."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from chekov.domain.serializer import Serializer
from chekov.serialization.personal import SEALED, sealed_finder, sealed_text
from chekov.serialization.serializers import JSON_BEGINS


class Contents(Protocol):
    """Splits and joins the content that one serializer writes."""

    def split(self, data: bytes) -> dict[str, Any]:
        """The fields, each in a form that depends on the serializer."""
        ...

    def join(self, fields: Mapping[str, Any]) -> bytes:
        """The content that consists of these fields."""
        ...

    def bytes_of(self, field: Any) -> bytes:
        """The value of a field, serialized on its own."""
        ...

    def field_of(self, value: bytes) -> Any:
        """The field whose value, serialized on its own, is this."""
        ...

    def plain(self, field: Any) -> Any:
        """The value of a field in JSON's types; `None` also for a missing field."""
        ...

    def sealed(self, text: str | None) -> Any:
        """A field with a sealed value; `None` for one whose key was deleted."""
        ...

    def text_of(self, field: Any) -> str | None:
        """The sealed value of a field; `None` when it is not sealed."""
        ...


class JsonContents:
    """JSON: every value keeps the bytes that were written."""

    def __init__(self) -> None:
        self._split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._read = msgspec.json.Decoder().decode

    def split(self, data: bytes) -> dict[str, Any]:
        """The fields as they are written."""
        return self._split(data)

    def join(self, fields: Mapping[str, Any]) -> bytes:
        """The content that consists of these fields."""
        return msgspec.json.encode(fields)

    def bytes_of(self, field: Any) -> bytes:
        """What is written in a field."""
        return bytes(field)

    def field_of(self, value: bytes) -> Any:
        """A field in which this is written."""
        return msgspec.Raw(value)

    def plain(self, field: Any) -> Any:
        """The value that is written in a field."""
        return None if field is None else self._read(field)

    def sealed(self, text: str | None) -> Any:
        """A field whose value is sealed."""
        return {SEALED: text}

    def text_of(self, field: Any) -> str | None:
        """What is sealed in a field."""
        return sealed_text(self._read(field))


class OtherContents:
    """The content of a domain's own serializer, as plain values."""

    def __init__(self, serializer: Serializer) -> None:
        self._encode = serializer.encode
        self._split: Callable[[bytes], dict[str, Any]] = serializer.decoder(dict[str, Any])

    def split(self, data: bytes) -> dict[str, Any]:
        """The fields as plain values."""
        return self._split(data)

    def join(self, fields: Mapping[str, Any]) -> bytes:
        """The content that consists of these fields."""
        return self._encode(fields)

    def bytes_of(self, field: Any) -> bytes:
        """The value in an object of its own: serializers promise to write objects."""
        return self._encode({"": field})

    def field_of(self, value: bytes) -> Any:
        """The value again."""
        return self._split(value)[""]

    def plain(self, field: Any) -> Any:
        """The value of a field, as JSON would have it."""
        return msgspec.to_builtins(field)

    def sealed(self, text: str | None) -> Any:
        """A field whose value is sealed."""
        return {SEALED: text}

    def text_of(self, field: Any) -> str | None:
        """What is sealed in a field."""
        return sealed_text(field)


class AnyContents:
    """Recognizes which serializer wrote some content.

    Attributes:
        may_be_sealed: returns whether content may hold a sealed value, without splitting it.
    """

    def __init__(self, serializer: Serializer | None) -> None:
        self._json = JsonContents()
        self._other = None if serializer is None else OtherContents(serializer)
        self.may_be_sealed = sealed_finder(serializer)

    def of(self, data: bytes) -> Contents | None:
        """What splits this content; `None` when its serializer is unknown."""
        return self._json if data.startswith(JSON_BEGINS) else self._other
