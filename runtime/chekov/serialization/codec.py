"""Encoding and decoding the messages of a domain.

Each type's decoder is built with the codec, so a type that JSON cannot hold is found when the
program starts and not when its first event is read.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple, TypeVar, cast

import msgspec

from chekov.domain.domain import Domain
from chekov.domain.immutability import has_immutable_fields
from chekov.domain.messages import Command, Event
from chekov.domain.names import OWN
from chekov.errors import (
    DefinitionError,
    InexactEvent,
    InvalidAppend,
    InvalidArgument,
    InvalidCommand,
    NewerRevision,
    Undecodable,
    UnknownCommand,
)
from chekov.serialization.exact_types import Checks, exact_types
from chekov.serialization.exactness import comparison, members_difference, members_of
from chekov.serialization.invalid_values import refuse
from chekov.serialization.personal import converters, forgetful, sealed_finder
from chekov.serialization.revisions import Revisions
from chekov.serialization.serializers import (
    FIELD_TYPES,
    JSON_BEGINS,
    Json,
    MessagePack,
    decoder_of,
    either,
    json_decoder,
    plain,
)
from chekov.serialization.stored import StoredEvent
from chekov.serialization.unknown_fields import has_nested_objects, unknown_field_finder
from chekov.serialization.upcasting import UpcastDecoder

T = TypeVar("T")

_encode: Final = msgspec.json.Encoder().encode
_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
_decode_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Own(NamedTuple):
    """How events of one type of the domain are encoded exactly.

    Attributes:
        types: of its values, which prove that they come back the same; often none.
        values: takes the values of an event.
        decode: from its content.
        same: compares two of them.
        immutable: whether nothing can change one.
    """

    types: Mapping[tuple[type, ...], Checks]
    values: Callable[[object], tuple[Any, ...]]
    decode: Callable[[bytes], Event]
    same: Callable[[object, object], bool]
    immutable: bool


class Codec:
    """Encodes and decodes the messages of one domain: commands as JSON, events by its serializer.

    Attributes:
        revisions: of the events that it can decode.
        tags: event types with tags → the names of the fields that are tags.

    Raises:
        DefinitionError: a message has a field that JSON, or the domain's serializer, cannot hold;
            every one is listed.
    """

    def __init__(self, domain: Domain) -> None:
        faults: list[str] = []
        self._domain = domain
        self.tags = domain.tags
        self._commands = domain.commands
        self._decoders = {
            name: json_decoder(kind, faults) for name, kind in domain.commands.items()
        }
        decoders: dict[type[Event], Callable[[bytes], Event]] = {
            kind: json_decoder(kind, faults) for kind in domain.events.values()
        }
        read = _decode_object
        self._encode = _encode
        self._serializer = serializer = domain.serializer
        if serializer is not None:
            self._encode = serializer.encode
            for kind, json in decoders.items():
                decoders[kind] = either(json, decoder_of(serializer, kind, faults))
            read = either(read, plain(decoder_of(serializer, dict[str, Any], faults)))
        if faults:
            raise DefinitionError(f"domain {domain.name!r}", faults)
        personal = converters(domain)
        for kind, convert in personal.items():
            decoders[kind] = forgetful(
                decoders[kind],
                domain.personal[kind].required,
                read,
                convert,
                sealed_finder(serializer),
            )
        built_in = serializer is None or type(serializer) in (Json, MessagePack)
        self._own = {
            kind: _Own(
                exact_types(kind) if built_in else {},
                members_of(kind),
                decode,
                comparison(kind),
                has_immutable_fields(kind),
            )
            for kind, decode in decoders.items()
        }
        self._events = {name: decoders[kind] for name, kind in domain.stored_types.items()}
        self._mixed = bool(domain.upcasting)
        self.revisions = Revisions((*domain.stored_types, *domain.upcasting))
        self._upcast = UpcastDecoder(domain, read, personal)
        self._fields = {
            name: frozenset(item.name for item in fields(cast("Any", kind)))
            for name, kind in domain.commands.items()
        }
        # Others are spared from being decoded as plain values too.
        self._nested = {
            name: unknown_field_finder(kind)
            for name, kind in domain.commands.items()
            if has_nested_objects(kind)
        }

    @property
    def event_types(self) -> Collection[type[Event]]:
        """Every event type of the domain."""
        return self._domain.events.values()

    def event_types_like(self, types: tuple[type[Event], ...]) -> frozenset[type[Event]]:
        """The event types of the domain that are these or derived from them; all for none.

        Raises:
            InvalidArgument: one is neither an event type of the domain nor a base class of one.
        """
        kinds = self.event_types
        for kind in cast("tuple[object, ...]", types):
            if not isinstance(kind, type) or not any(issubclass(item, kind) for item in kinds):
                raise InvalidArgument(
                    f"{kind!r:.80}: expected event types of the domain, or base classes of them"
                )
        return frozenset(item for item in kinds if issubclass(item, types or Event))

    def stored_names(self, event: type[Event]) -> Sequence[str]:
        """Every stored name that `decode_all` may decode as this type."""
        return self._domain.stored_names(event)

    def is_upcast(self, name: str) -> bool:
        """Whether events of this stored name are upcast, and may become several or none."""
        return name in self._domain.upcasting

    def knows(self, name: str) -> bool:
        """Whether events of this stored name can be read, as they are or upcast."""
        return name in self._events or self.is_upcast(name)

    def encode(self, message: Event | Command[Any]) -> bytes:
        """Encode a message: a command as JSON, an event by the domain's serializer.

        Raises:
            InvalidAppend: as `encode_event`.
        """
        return self.encode_event(message)[0] if isinstance(message, Event) else _encode(message)

    def encode_event(self, event: Event) -> tuple[bytes, Event, bool]:
        """Encode an event, decode it at once, and compare.

        Dataclasses do not check their fields: what cannot be decoded, or comes back as something
        else, is refused here. The copies share nothing with the event, so that neither its author
        nor an applier can make the state differ from what is stored. An event of exact values is
        not compared: their types are checked instead. If they are immutable too, it needs no copy.

        Returns:
            Its content, the event to apply, and whether the sender of the command may have the same
            one, because nothing can change it; `decode_content` makes another one.

        Raises:
            InvalidAppend: the event's values do not fit its annotations.
            InexactEvent: a value would come back as another one.
            KeyError: no aggregate of the domain applies events of this type.
        """
        types, values, decode, same, immutable = self._own[type(event)]
        try:
            data = self._encode(event)
            given = values(event)
            checks = types.get((*map(type, given),))
            if checks is not None:
                # A loop: with `all(…)`, an event with a list takes 0.5 µs longer.
                for index, check in checks:
                    if not check(given[index]):
                        break
                else:
                    return data, event if immutable else decode(data), immutable
            copy = decode(data)
            if same(event, copy):
                return data, copy, immutable
        except Exception as error:
            kind = type(event).__qualname__
            fault = f"{kind} does not fit its annotations: {error} ({FIELD_TYPES})"
            raise InvalidAppend(fault) from error
        raise self._inexact(event, copy)

    def _inexact(self, event: Event, copy: Event) -> InexactEvent:
        kind = type(event)
        found = members_difference(kind, event, copy)
        if found is None:
            return InexactEvent(kind.__qualname__, "", event, copy)
        name = re.split(r"[.\[]", found.path, maxsplit=1)[0]
        personal = self._domain.personal.get(kind)
        if personal is not None and name in personal.names:
            # Errors are logged and sent to clients.
            return InexactEvent(kind.__qualname__, found.path, type(found.given), type(found.back))
        return InexactEvent(kind.__qualname__, found.path, found.given, found.back)

    def decode_content(self, name: str, data: bytes) -> Event:
        """Decode the content that `encode_event` made of an event with this stored name."""
        return self._events[name](data)

    def decode(self, recorded: StoredEvent) -> Event:
        """Decode a stored event.

        Raises:
            Undecodable: no type has this stored name, the content does not fit the type, upcasters
                turn it into none or several, or it is sealed and was read from the store as it is.
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
                f"upcasters turn it into {len(events)} events: use decode_all",
            )
        return events[0]

    def decode_all(self, recorded: StoredEvent) -> list[Event]:
        """Decode a stored event into one event, or those that upcasters turn it into.

        Raises:
            Undecodable: no type has this stored name, the content does not fit, or an upcaster
                failed.
        """
        if not self.is_upcast(recorded.type):
            return [self.decode(recorded)]
        try:
            return self._upcast.events(recorded, decode_senders_metadata(recorded.metadata))
        except Undecodable:
            raise
        except Exception as error:
            raise self._undecodable(recorded, error) from error

    def decode_page(self, recorded: Sequence[StoredEvent]) -> list[Event]:
        """Decode many stored events in order; faster than one by one.

        Raises:
            Undecodable: for the first event that cannot be decoded.
        """
        decoders = self._events
        try:
            if self._mixed:
                return self._decode_mixed(recorded)
            return [decoders[item.type](item.data) for item in recorded]
        except Exception:  # noqa: BLE001 one by one, to name the event at fault
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
        if self.revisions.precede(recorded.type):
            reason = "newer code stored it, in a revision that this code does not know"
            return NewerRevision(recorded.type, recorded.stream, recorded.version, reason)
        if not self.knows(recorded.type):
            reason = "the domain has no event type of this name and no upcaster for it"
        elif self._serializer is None and not recorded.data.startswith(JSON_BEGINS):
            reason = (
                f"expected a JSON object, but it does not begin with {JSON_BEGINS.decode()!r}: if "
                "another serializer wrote it, pass that one as Domain(serializer=…)"
            )
        else:
            reason = str(error) or type(error).__name__
        return Undecodable(recorded.type, recorded.stream, recorded.version, reason)

    def decode_command(self, name: str, data: bytes) -> Command[Any]:
        """Decode a command from its name and a JSON object.

        Raises:
            UnknownCommand: no aggregate of the domain executes it.
            InvalidCommand: the content does not fit; `path` says where.
        """
        decoder = self._decoders.get(name)
        if decoder is None:
            raise UnknownCommand(name, tuple(self._commands))
        try:
            command = decoder(data)
            find = self._nested.get(name)
            path = None if find is None else find(_decode_object(data))
            unknown = _decode_keys(data).keys() - self._fields[name]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            refuse(error)
        if unknown:
            field = min(unknown)
            raise InvalidCommand(f"{name} has no field {field!r}", f"$.{field}")
        if path is not None:
            raise InvalidCommand(f"{name} has no field {path[1:]!r}", f"${path}")
        return command


def convert(value: object, type_: type[T]) -> T:
    """Convert a plain value to a type; strings become numbers, booleans, UUIDs and times.

    Raises:
        InvalidCommand: it does not fit; `path` says where.
    """
    try:
        return msgspec.convert(value, type_, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        refuse(error)


def encode_metadata(metadata: Mapping[str, Any]) -> bytes | None:
    """Encode metadata; `None` when there is none.

    Raises:
        InvalidCommand: JSON cannot hold it.
    """
    if not metadata:
        return None
    try:
        return _encode(metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCommand(f"the metadata cannot be stored: {error}") from error


def decode_metadata(metadata: bytes | None) -> dict[str, Any]:
    """Decode stored metadata; empty when there is none or it is not an object."""
    if metadata is None:
        return {}
    try:
        return _decode_object(metadata)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def decode_senders_metadata(metadata: bytes | None) -> dict[str, Any]:
    """Decode what the sender of a command gave as its metadata, without Chekov's own keys."""
    decoded = decode_metadata(metadata)
    return {key: value for key, value in decoded.items() if not key.startswith(OWN)}
