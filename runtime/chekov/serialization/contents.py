"""The content of events split into fields, as sealing needs it, and joined again."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from chekov.domain.serializer import Serializer
from chekov.serialization.personal import SEALED, sealed_finder, sealed_text
from chekov.serialization.serializers import JSON_BEGINS


class Contents(Protocol):
    """Splits and joins the content of one serializer."""

    def split(self, data: bytes) -> dict[str, Any]:
        """The fields, each in a form that only this class knows."""
        ...

    def join(self, fields: Mapping[str, Any]) -> bytes:
        """The content with these fields."""
        ...

    def bytes_of(self, field: Any) -> bytes:
        """The encoded value of a field."""
        ...

    def field_of(self, value: bytes) -> Any:
        """The field with this encoded value."""
        ...

    def plain(self, field: Any) -> Any:
        """The value of a field as JSON has it; `None` also when there is no field."""
        ...

    def sealed(self, text: str | None) -> Any:
        """A sealed field; its text is `None` when its key is gone."""
        ...

    def text_of(self, field: Any) -> str | None:
        """The ciphertext of a sealed field; `None` when it is not sealed."""
        ...


class JsonContents:
    """JSON, in which every value keeps its bytes."""

    def __init__(self) -> None:
        self._split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._read = msgspec.json.Decoder().decode

    def split(self, data: bytes) -> dict[str, Any]:
        return self._split(data)

    def join(self, fields: Mapping[str, Any]) -> bytes:
        return msgspec.json.encode(fields)

    def bytes_of(self, field: Any) -> bytes:
        return bytes(field)

    def field_of(self, value: bytes) -> Any:
        return msgspec.Raw(value)

    def plain(self, field: Any) -> Any:
        return None if field is None else self._read(field)

    def sealed(self, text: str | None) -> Any:
        return {SEALED: text}

    def text_of(self, field: Any) -> str | None:
        return sealed_text(self._read(field))


class OtherContents:
    """The content of the domain's serializer, whose fields are plain values."""

    def __init__(self, serializer: Serializer) -> None:
        self._encode = serializer.encode
        self._split: Callable[[bytes], dict[str, Any]] = serializer.decoder(dict[str, Any])

    def split(self, data: bytes) -> dict[str, Any]:
        return self._split(data)

    def join(self, fields: Mapping[str, Any]) -> bytes:
        return self._encode(fields)

    def bytes_of(self, field: Any) -> bytes:
        # As the only value of some content: serializers promise to encode no more than that.
        return self._encode({"": field})

    def field_of(self, value: bytes) -> Any:
        return self._split(value)[""]

    def plain(self, field: Any) -> Any:
        return msgspec.to_builtins(field)

    def sealed(self, text: str | None) -> Any:
        return {SEALED: text}

    def text_of(self, field: Any) -> str | None:
        return sealed_text(field)


class AnyContents:
    """Finds the serializer of some content.

    Attributes:
        may_be_sealed: whether some content may have a sealed field, so that it must be split.
    """

    def __init__(self, serializer: Serializer | None) -> None:
        self._json = JsonContents()
        self._other = None if serializer is None else OtherContents(serializer)
        self.may_be_sealed = sealed_finder(serializer)

    def forgotten(self, data: bytes) -> bytes:
        """The content with every sealed field as if its key were gone."""
        contents = self.of(data) if self.may_be_sealed(data) else None
        if contents is None:
            return data
        fields = contents.split(data)
        for name, field in fields.items():
            if contents.text_of(field) is not None:
                fields[name] = contents.sealed(None)
        return contents.join(fields)

    def of(self, data: bytes) -> Contents | None:
        """How to split this content; `None` when its serializer is not known."""
        return self._json if data.startswith(JSON_BEGINS) else self._other
