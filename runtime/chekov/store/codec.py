"""JSON in and out: the only module that knows msgspec.

A decoder is built for each type when the codec is, so a type that cannot be JSON is found when the
program starts and not when its first event is read.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, NoReturn, TypeVar, cast
from uuid import UUID

import msgspec

from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event
from chekov.errors import (
    DefinitionError,
    InvalidAppend,
    InvalidCommand,
    Undecodable,
    UnknownCommand,
)
from chekov.store.port import RecordedEvent

T = TypeVar("T")

_AT: Final = re.compile(r" - at `(?P<path>\$[^`]*)`\Z")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    command: str
    data: msgspec.Raw
    id: UUID | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
_decode_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any: Final = msgspec.json.Decoder().decode
_decode_line: Final = msgspec.json.Decoder(_Line).decode


class Codec:
    """Turns the messages of one domain into JSON and back.

    Raises:
        DefinitionError: a message has a field that JSON cannot hold; every one is listed.
    """

    def __init__(self, domain: Domain) -> None:
        faults: list[str] = []
        self._commands = domain.commands
        self._events = {name: _decoder(kind, faults) for name, kind in domain.events.items()}
        self._decoders = {name: _decoder(kind, faults) for name, kind in domain.commands.items()}
        if faults:
            raise DefinitionError(f"domain {domain.name!r}", faults)
        self._fields = {
            name: frozenset(item.name for item in fields(cast("Any", kind)))
            for name, kind in domain.commands.items()
        }
        self._own = {kind: self._events[name] for name, kind in domain.events.items()}

    def encode(self, message: Event | Command[Any]) -> bytes:
        """A message as a JSON object.

        Dataclasses do not check their fields, so an event of the domain is read back at once: what
        could never be decoded again is refused here.

        Raises:
            InvalidAppend: the event's values do not fit its annotations.
        """
        try:
            data = _encode(message)
            own = self._own.get(cast("type[Event]", type(message)))
            if own is not None:
                own(data)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
            kind = type(message).__qualname__
            raise InvalidAppend(f"{kind} does not fit its annotations: {error}") from error
        return data

    def decode(self, recorded: RecordedEvent) -> Event:
        """A stored event in its type.

        Raises:
            Undecodable: no type has this stored name, or the content does not fit the type.
        """
        try:
            return self._events[recorded.type](recorded.data)
        except (KeyError, msgspec.MsgspecError, RecursionError) as error:
            _undecodable(recorded, error, known=recorded.type in self._events)

    def decode_page(self, recorded: Sequence[RecordedEvent]) -> list[Event]:
        """Many stored events, in order; faster than one by one.

        Raises:
            Undecodable: of the first event that cannot be decoded.
        """
        decoders = self._events
        try:
            return [decoders[item.type](item.data) for item in recorded]
        except (KeyError, msgspec.MsgspecError, RecursionError):
            return [self.decode(item) for item in recorded]

    def decode_command(self, name: str, data: bytes) -> Command[Any]:
        """A command from its stored name and a JSON object.

        Raises:
            UnknownCommand: no aggregate of the domain executes it.
            InvalidCommand: the content does not fit; `path` says where.
        """
        decoder = self._decoders.get(name)
        if decoder is None:
            raise UnknownCommand(name, tuple(self._commands))
        try:
            command = decoder(data)
            unknown = _decode_keys(data).keys() - self._fields[name]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            _invalid(error)
        if unknown:
            field = min(unknown)
            raise InvalidCommand(f"{name} has no field {field!r}", f"$.{field}")
        return command


def encode_any(value: object) -> bytes:
    """Any value as JSON: dataclasses, UUIDs, times, decimals, sets and what they hold.

    Raises:
        TypeError: it holds what JSON cannot.
    """
    return _encode(value)


def decode_any(data: bytes | str) -> Any:
    """The plain Python values of a JSON document.

    Raises:
        InvalidCommand: it is no JSON.
    """
    try:
        return _decode_any(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _invalid(error)


def decode_line(line: bytes) -> tuple[str, bytes, UUID | None]:
    """Name, content and id of one line of a batch of commands; the content stays as it came.

    Raises:
        InvalidCommand: it is no object with `command`, `data` and, if at all, `id`.
    """
    try:
        read = _decode_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _invalid(error)
    return read.command, bytes(read.data), read.id


def convert(value: object, type_: type[T]) -> T:
    """A plain value in a type, reading numbers, truth values, UUIDs and times from strings.

    Raises:
        InvalidCommand: it does not fit; `path` says where.
    """
    try:
        return msgspec.convert(value, type_, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        _invalid(error)


def schemas(
    types: Iterable[object], ref_template: str = "#/components/schemas/{name}"
) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """JSON Schemas of types: one reference (or inline schema) each, and what they refer to."""
    return msgspec.json.schema_components(tuple(types), ref_template=ref_template)


def encode_metadata(metadata: Mapping[str, Any]) -> bytes | None:
    """Metadata as it is stored; `None` when there is none.

    Raises:
        InvalidCommand: it holds what JSON cannot.
    """
    if not metadata:
        return None
    try:
        return _encode(metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCommand(f"the metadata cannot be stored: {error}") from error


def decode_metadata(metadata: bytes | None) -> dict[str, Any]:
    """Stored metadata; empty when there is none or it is no object."""
    if metadata is None:
        return {}
    try:
        return _decode_object(metadata)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def is_json(data: bytes) -> bool:
    """Whether `data` is one JSON document in UTF-8."""
    try:
        _decode_any(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _decoder(kind: type[T], faults: list[str]) -> Callable[[bytes], T]:
    decoder = msgspec.json.Decoder(cast("type[T]", object))
    try:
        decoder = msgspec.json.Decoder(kind)
        msgspec.json.schema(kind)
    except (TypeError, NameError) as error:
        reason = str(error).split("\n\n")[-1]
        faults.append(f"{kind.__qualname__} cannot be written as JSON: {reason}")
    return decoder.decode


def _undecodable(recorded: RecordedEvent, error: Exception, *, known: bool) -> NoReturn:
    reason = str(error) if known else "the domain has no event type of this name"
    raise Undecodable(recorded.type, recorded.stream, recorded.version, reason) from error


def _invalid(error: Exception) -> NoReturn:
    """Say where the fault is in the form `$.field`, which callers show to people."""
    message = str(error)
    at = _AT.search(message)
    path = at["path"] if at else ""
    missing = _MISSING.match(message)
    if missing:
        path = f"{path or '$'}.{missing['field']}"
    elif isinstance(error, msgspec.ValidationError) and not path:
        path = "$"
    raise InvalidCommand(_AT.sub("", message), path) from error
