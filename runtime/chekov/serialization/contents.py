"""The content of events field by field: as far apart as sealing needs it, and together again."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from chekov.domain.serializer import Serializer
from chekov.serialization.personal import SEALED, sealed_finder, sealed_text
from chekov.serialization.serializers import JSON_BEGINS


class Contents(Protocol):
    """How one serializer's content is taken apart."""

    def split(self, data: bytes) -> dict[str, Any]:
        """The fields, each in a form of its own."""
        ...

    def join(self, fields: Mapping[str, Any]) -> bytes:
        """The content again."""
        ...

    def bytes_of(self, field: Any) -> bytes:
        """The value of a field by itself."""
        ...

    def field_of(self, value: bytes) -> Any:
        """The form of a field whose value by itself is this."""
        ...

    def plain(self, field: Any) -> Any:
        """The value of a field as JSON would have it; `None` also when there is no field."""
        ...

    def sealed(self, text: str | None) -> Any:
        """The form of a field whose value is sealed; `None` when its key is gone."""
        ...

    def text_of(self, field: Any) -> str | None:
        """What is sealed in a field; `None` when nothing is."""
        ...


class JsonContents:
    """JSON: every value stays as it was written."""

    def __init__(self) -> None:
        self._split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._read = msgspec.json.Decoder().decode

    def split(self, data: bytes) -> dict[str, Any]:
        """The fields as they are written."""
        return self._split(data)

    def join(self, fields: Mapping[str, Any]) -> bytes:
        """The content again."""
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
    """Of a serializer that the domain brings: plain values."""

    def __init__(self, serializer: Serializer) -> None:
        self._encode = serializer.encode
        self._split: Callable[[bytes], dict[str, Any]] = serializer.decoder(dict[str, Any])

    def split(self, data: bytes) -> dict[str, Any]:
        """The fields as plain values."""
        return self._split(data)

    def join(self, fields: Mapping[str, Any]) -> bytes:
        """The content again."""
        return self._encode(fields)

    def bytes_of(self, field: Any) -> bytes:
        """A value, as the only one of some content: that is what serializers promise to write."""
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
    """Finds out which serializer wrote some content.

    Attributes:
        may_be_sealed: tells whether to take some content apart, to see what is sealed in it.
    """

    def __init__(self, serializer: Serializer | None) -> None:
        self._json = JsonContents()
        self._other = None if serializer is None else OtherContents(serializer)
        self.may_be_sealed = sealed_finder(serializer)

    def of(self, data: bytes) -> Contents | None:
        """How to take this content apart; `None` when nobody knows."""
        return self._json if data.startswith(JSON_BEGINS) else self._other
