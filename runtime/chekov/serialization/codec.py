"""Messages to bytes and back; msgspec is known to this module and those beside it alone.

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
from chekov.serialization.personal import converters, forgetful, sealed_finder
from chekov.serialization.serializers import JSON_BEGINS, decoder_of, either, json_decoder, plain
from chekov.serialization.stored import StoredEvent
from chekov.serialization.upcasting import Upcast

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
_decode_line: Final = msgspec.json.Decoder(_Line).decode


class Codec:
    """Turns the messages of one domain into bytes and back: commands as JSON, events as it says.

    Raises:
        DefinitionError: a message has a field that JSON, or the domain's serializer, cannot hold;
            every one is listed.
    """

    def __init__(self, domain: Domain) -> None:
        faults: list[str] = []
        self._domain = domain
        self._commands = domain.commands
        self._decoders = {
            name: json_decoder(kind, faults) for name, kind in domain.commands.items()
        }
        self._own: dict[type[Any], Callable[[bytes], Event]] = {
            kind: json_decoder(kind, faults) for kind in domain.events.values()
        }
        read = _decode_object
        self._encode = _encode
        self._serializer = serializer = domain.serializer
        if serializer is not None:
            self._encode = serializer.encode
            for kind, json in self._own.items():
                self._own[kind] = either(json, decoder_of(serializer, kind, faults))
            read = either(read, plain(decoder_of(serializer, dict[str, Any], faults)))
        if faults:
            raise DefinitionError(f"domain {domain.name!r}", faults)
        personal = converters(domain)
        for kind, convert in personal.items():
            self._own[kind] = forgetful(
                self._own[kind],
                domain.personal[kind].required,
                read,
                convert,
                sealed_finder(serializer),
            )
        self._events = {name: self._own[kind] for name, kind in domain.stored_types.items()}
        self._mixed = bool(domain.upcasting)
        self._upcast = Upcast(domain, read, personal)
        self._fields = {
            name: frozenset(item.name for item in fields(cast("Any", kind)))
            for name, kind in domain.commands.items()
        }

    def stored_names(self, event: type[Event]) -> Sequence[str]:
        """Every stored name that `decode_all` may read as this type."""
        return self._domain.stored_names(event)

    def is_upcast(self, name: str) -> bool:
        """Whether events of this stored name are upcast, and may become several or none."""
        return name in self._domain.upcasting

    def knows(self, name: str) -> bool:
        """Whether events of this stored name can be read, as they are or upcast."""
        return name in self._events or self.is_upcast(name)

    def encode(self, message: Event | Command[Any]) -> bytes:
        """The content of a message: of a command as JSON.

        Dataclasses do not check their fields, so an event of the domain is read back at once: what
        could never be decoded again is refused here.

        Raises:
            InvalidAppend: the event's values do not fit its annotations.
        """
        try:
            own = self._own.get(type(message))
            if own is None:
                return _encode(message)
            data = self._encode(message)
            own(data)
        except Exception as error:
            kind = type(message).__qualname__
            raise InvalidAppend(f"{kind} does not fit its annotations: {error}") from error
        return data

    def decode(self, recorded: StoredEvent) -> Event:
        """A stored event in its type.

        Raises:
            Undecodable: no type has this stored name, the content does not fit the type, or
                upcasters make none or several of it.
        """
        try:
            return self._events[recorded.type](recorded.data)
        except Exception as error:
            if not self.is_upcast(recorded.type):
                raise self._undecodable(recorded, error) from error
        events = self.decode_all(recorded)
        if len(events) != 1:
            raise Undecodable(
                recorded.type,
                recorded.stream,
                recorded.version,
                f"upcasters make {len(events)} events of it: decode all of them",
            )
        return events[0]

    def decode_all(self, recorded: StoredEvent) -> list[Event]:
        """What a stored event is to the domain: one event, or what upcasters make of it.

        Raises:
            Undecodable: no type has this stored name, the content does not fit, or an upcaster
                failed.
        """
        if not self.is_upcast(recorded.type):
            return [self.decode(recorded)]
        try:
            return self._upcast.events(recorded, decode_metadata(recorded.metadata))
        except Undecodable:
            raise
        except Exception as error:
            raise self._undecodable(recorded, error) from error

    def decode_page(self, recorded: Sequence[StoredEvent]) -> list[Event]:
        """What many stored events are, in order; faster than one by one.

        Raises:
            Undecodable: of the first event that cannot be decoded.
        """
        decoders = self._events
        try:
            if self._mixed:
                return self._decode_mixed(recorded)
            return [decoders[item.type](item.data) for item in recorded]
        except Exception:  # noqa: BLE001 the slow way finds out which event it was, and tells
            return [event for item in recorded for event in self.decode_all(item)]

    def _decode_mixed(self, recorded: Sequence[StoredEvent]) -> list[Event]:
        decoders = self._events
        events: list[Event] = []
        for item in recorded:
            decoder = decoders.get(item.type)
            if decoder is None:
                events += self.decode_all(item)
            else:
                events.append(decoder(item.data))
        return events

    def _undecodable(self, recorded: StoredEvent, error: Exception) -> Undecodable:
        if not self.knows(recorded.type):
            reason = "the domain has no event type of this name and no upcaster for it"
        elif self._serializer is None and not recorded.data.startswith(JSON_BEGINS):
            reason = (
                f"it is no JSON object, since it does not begin with {JSON_BEGINS.decode()!r}: if "
                "another serializer wrote it, pass that one as Domain(serializer=…)"
            )
        else:
            reason = str(error) or type(error).__name__
        return Undecodable(recorded.type, recorded.stream, recorded.version, reason)

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
