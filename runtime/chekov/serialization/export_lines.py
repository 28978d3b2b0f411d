"""The lines of an export: a heading, events by position, streams by name, perhaps keys and work."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from chekov.errors import MalformedExport

FORMAT: Final = "chekov-events-1"

T = TypeVar("T", bound=msgspec.Struct)


class Heading(msgspec.Struct, kw_only=True):
    """The first line, which says what follows."""

    format: str
    after: int
    """The export has the events above this position."""
    after_id: UUID | None
    """Of the event at that position."""
    head: int
    """Position of the last event."""
    streams: int
    keys: int
    work: int | None = None
    """Rows of what is under way; `None` when they were not asked for."""


class WorkLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of what handlers have done, or of what is under way."""

    table: str
    row: dict[str, msgspec.Raw]

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that the row names, sorted."""
        return tuple(sorted(self.row))

    @property
    def document(self) -> bytes:
        """The row as JSON."""
        return _encoder.encode(self.row)


class StreamLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A stream without its events."""

    name: str
    created: datetime
    first: int
    deleted: datetime | None


class KeyLine(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A key of personal data; a forgotten one has no secret."""

    key: UUID
    subject: str
    secret: bytes | None
    created: datetime
    forgotten: datetime | None


class EventLine(NamedTuple):
    """An event, and whether its payload is stored as JSON."""

    position: int
    stream: str
    version: int
    id: UUID
    type: str
    data: bytes
    metadata: bytes | None
    correlation_id: UUID | None
    causation_id: UUID | None
    time: datetime
    is_json: bool
    tags: Mapping[str, UUID | None] = MappingProxyType({})
    """Each with the key that it goes with, if there is one."""


_NOTHING: Final = msgspec.Raw()


class _Event(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    position: int
    stream: str
    version: int
    id: UUID
    type: str
    time: datetime
    correlation_id: UUID | None
    causation_id: UUID | None
    metadata: msgspec.Raw = _NOTHING
    metadata_text: str | None = None
    data: msgspec.Raw = _NOTHING
    data_text: str | None = None
    content: str | None = None
    tags: dict[str, UUID | None] = {}


_heading: Final = msgspec.json.Decoder(Heading)
_event: Final = msgspec.json.Decoder(_Event)
_stream: Final = msgspec.json.Decoder(StreamLine)
_key: Final = msgspec.json.Decoder(KeyLine)
_work: Final = msgspec.json.Decoder(WorkLine)
_encoder: Final = msgspec.json.Encoder()


def encode_heading(heading: Heading) -> bytes:
    return _encoder.encode(heading) + b"\n"


def decode_heading(line: bytes) -> Heading:
    """Decode the first line.

    Raises:
        MalformedExport: the line is not a heading, or one of another format.
    """
    heading = _decoded(_heading, line, 1, "the heading of an export")
    if heading.format != FORMAT:
        raise MalformedExport(1, f"expected the format {FORMAT}, found {heading.format}")
    return heading


def encode_event(event: EventLine) -> bytes:
    """Encode an event whose payload is JSON; the document goes as text, so none needs a look."""
    line = {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "id": event.id,
        "type": event.type,
        "time": event.time,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "data_text": event.data.decode(),
    }
    if event.metadata is not None:
        line["metadata_text"] = event.metadata.decode()
    return _encoder.encode(line) + b"\n"


def encode_stream(stream: StreamLine) -> bytes:
    return _encoder.encode(stream) + b"\n"


def decode_event(line: bytes, number: int) -> EventLine:
    """Decode the event in the line with this number.

    Raises:
        MalformedExport: the line is not an event.
    """
    found = _decoded(_event, line, number, "an event")
    document = _document(found.data, found.data_text)
    if (document is None) == (found.content is None):
        raise MalformedExport(number, "expected one of data, data_text and content")
    try:
        content = b64decode(found.content or "", validate=True)
    except binascii.Error as error:
        raise MalformedExport(number, f"its content is not base64: {error}") from error
    return EventLine(
        found.position,
        found.stream,
        found.version,
        found.id,
        found.type,
        content if document is None else document,
        _document(found.metadata, found.metadata_text),
        found.correlation_id,
        found.causation_id,
        found.time,
        is_json=found.content is None,
        tags=found.tags,
    )


def decode_stream(line: bytes, number: int) -> StreamLine:
    """Decode the stream in the line with this number.

    Raises:
        MalformedExport: the line is not a stream.
    """
    return _decoded(_stream, line, number, "a stream")


def decode_key(line: bytes, number: int) -> KeyLine:
    """Decode the key in the line with this number.

    Raises:
        MalformedExport: the line is not a key.
    """
    return _decoded(_key, line, number, "a key")


def decode_work(line: bytes, number: int) -> WorkLine:
    """Decode the row in the line with this number.

    Raises:
        MalformedExport: the line is not a row.
    """
    return _decoded(_work, line, number, "a row of what is under way")


def _document(raw: msgspec.Raw, text: str | None) -> bytes | None:
    if text is not None:
        return text.encode()
    document = bytes(raw)
    return None if document in (b"", b"null") else document


def _decoded(decoder: "msgspec.json.Decoder[T]", line: bytes, number: int, what: str) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        hint = "" if line.endswith(b"\n") else "; it was truncated"
        raise MalformedExport(number, f"this is not {what}: {error}{hint}") from error
