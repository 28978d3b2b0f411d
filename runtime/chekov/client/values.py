"""What the service answers, as values: events and the results of commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, Self, TypeVar, cast
from uuid import UUID

from chekov.domain.messages import Command, Event
from chekov.errors import ChekovError, Undecodable
from chekov.serialization.answers import CommandDocument, EventDocument
from chekov.serialization.codec import Codec
from chekov.serialization.json import from_json, to_json

E_co = TypeVar("E_co", bound=Event, covariant=True)
E = TypeVar("E", bound=Event)


class _Stored(NamedTuple):
    """An event as `Codec` and `EventFilter` take it."""

    position: int
    stream: str
    version: int
    type: str
    data: bytes
    metadata: bytes | None
    time: datetime
    correlation_id: UUID | None
    causation_id: UUID | None


@dataclass(frozen=True, slots=True)
class PlainCommand:
    """A command by its name and its fields, for programs without the domain's classes."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedEvent(Generic[E_co]):
    """A stored event. Its content is decoded when it is asked for.

    Attributes:
        position: its place in the log.
        stream: of its instance.
        version: its place in the stream.
        id: its own id.
        type: the name that it is stored under.
        time: when it was stored.
        correlation_id: shared by everything that follows from one request.
        causation_id: the command that caused it.
        metadata: what the command's sender said, and Chekov's own keys, which begin with `$`.
        data: its content as it is stored, as JSON or by the domain's serializer.
    """

    position: int
    stream: str
    version: int
    id: UUID
    type: str
    time: datetime
    correlation_id: UUID | None
    causation_id: UUID | None
    metadata: Mapping[str, Any]
    data: bytes
    _codec: Codec | None = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: EventDocument, codec: Codec | None) -> Self:
        """An event that was received; `codec` is that of the client's domain."""
        return cls(
            document.position,
            document.stream,
            document.version,
            document.id,
            document.type,
            document.time,
            document.correlation_id,
            document.causation_id,
            document.metadata,
            document.content,
            codec,
        )

    @property
    def event(self) -> E_co:
        """The event, as its class in the domain of the client.

        Raises:
            Undecodable: the client has no domain, or this one cannot decode it; personal data is
                sealed.
        """
        return cast("Any", self._known_codec().decode(self.stored))

    @property
    def events(self) -> Sequence[E_co]:
        """The event, or all that upcasters make of it.

        Raises:
            Undecodable: as for `event`.
        """
        return cast("Any", self._known_codec().decode_all(self.stored))

    @property
    def fields(self) -> dict[str, Any]:
        """Its content in plain values.

        Raises:
            ValueError: it is not JSON.
        """
        return from_json(self.data)

    @property
    def stored(self) -> _Stored:
        """The same as the store has it."""
        return _Stored(
            self.position,
            self.stream,
            self.version,
            self.type,
            self.data,
            to_json(self.metadata) if self.metadata else None,
            self.time,
            self.correlation_id,
            self.causation_id,
        )

    def _known_codec(self) -> Codec:
        if self._codec is None:
            reason = "the client was not given its domain: pass domain=…, or read `fields`"
            raise Undecodable(self.type, self.stream, self.version, reason)
        return self._codec


@dataclass(frozen=True, slots=True)
class CommandResult(Generic[E_co]):
    """What a command stored.

    Attributes:
        stream: the stream of its instance.
        version: the stream's version after it.
        position: the position of its last event; 0 when it yielded none.
        command_id: its own id, which its events carry as their cause.
        correlation_id: shared by everything that follows from one request.
        received: its events as they are stored; none if they were not asked for.
        repeated: whether the command had been executed before, and this is what it stored then.
        state: if it was asked for, the instance's state right after the command: as its class in
            the domain of the client, otherwise in plain values.
        state_error: why there is no such state, although it was asked for.
    """

    stream: str
    version: int
    position: int
    command_id: UUID
    correlation_id: UUID
    received: Sequence[ReceivedEvent[E_co]]
    repeated: bool = False
    state: Any = None
    state_error: str | None = None

    @classmethod
    def of(
        cls,
        document: CommandDocument,
        codec: Codec | None,
        *,
        state: Any = None,
        state_error: str | None = None,
    ) -> Self:
        """The result of a command; `codec` is that of the client's domain."""
        return cls(
            document.stream,
            document.version,
            document.position,
            document.command_id,
            document.correlation_id,
            tuple(ReceivedEvent[E_co].of(item, codec) for item in document.events),
            document.repeated,
            state,
            state_error,
        )

    @property
    def events(self) -> Sequence[E_co]:
        """What it yielded, in order.

        Raises:
            Undecodable: the client has no domain, or this one cannot decode them.
        """
        return [item.event for item in self.received]


class Outcome(NamedTuple):
    """What became of one command of a batch.

    Attributes:
        command: as it was given.
        command_id: its id.
        result: what it stored; `None` if it was refused.
        error: why it was refused; or, beside a result, a `ConsistencyTimeout` or `HandlerFailed` of
            the handlers that it was to wait for.
    """

    command: Command[Any] | PlainCommand
    command_id: UUID
    result: CommandResult[Any] | None
    error: ChekovError | None
