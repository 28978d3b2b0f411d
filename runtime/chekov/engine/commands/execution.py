"""One command in the pipeline, and what it stored in the end."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from chekov.backoff import Backoff
from chekov.domain.aggregate import Aggregate
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.event_filter import CAUSE
from chekov.domain.messages import Event
from chekov.domain.names import OWN
from chekov.domain.principal import ANONYMOUS
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.router import Route, Router
from chekov.engine.observer import TRACEPARENT, CommandObservation, Outcome
from chekov.errors import InvalidCommand, UnusableState
from chekov.serialization.codec import encode_metadata
from chekov.store.port import RecordedEvent

E = TypeVar("E", bound=Event)

COMMAND: Final = f"{OWN}command"
"""In the metadata of an event, the name of the command whose sender chose its id."""

PRINCIPAL: Final = f"{OWN}principal"
"""In the metadata of an event, the subject on whose behalf its command was sent."""


_log: Final = logging.getLogger(__name__)


class Dispatched(NamedTuple, Generic[E]):
    """What a command stored.

    Attributes:
        stream: the stream of its instance.
        version: the stream's version after it.
        position: the position of its last event; 0 when it yielded none.
        events: what it yielded, in order.
        recorded: the same as stored.
        command_id: its own id, which its events carry as their cause.
        correlation_id: shared by everything that follows from one request.
        repeated: whether the command had been executed before, and this is what it stored then.
        state: if the sender asked for it, a copy of the instance's state right after the command.
        state_error: why there is no such state, although the sender asked for it.
    """

    stream: str
    version: int
    position: int
    events: Sequence[E]
    recorded: Sequence[RecordedEvent]
    command_id: UUID
    correlation_id: UUID
    repeated: bool = False
    state: Aggregate | None = None
    state_error: str | None = None


def _senders_metadata(metadata: object) -> dict[str, Any]:
    """A copy of the metadata that a sender gave.

    Raises:
        InvalidCommand: it is no mapping, or a key begins with `$`.
    """
    if not isinstance(metadata, Mapping):
        kind = type(metadata).__qualname__
        raise InvalidCommand(f"the metadata is a {kind}, expected a mapping")
    given = cast("Mapping[str, Any]", metadata)
    for key in given:
        if str(key).startswith(OWN):
            raise InvalidCommand(
                f"the metadata has the key {key!r:.60}: keys that begin with {OWN!r} are Chekov's "
                "own; choose another"
            )
    return dict(given)


class Execution:
    """The progress of one command through the pipeline, and what its stages note about it.

    Attributes:
        envelope: the command, as the last middleware passed it on.
        route: how its type is executed.
        stream: of its instance.
        metadata: to be stored with its events.
        unique_id: its id if it must not be executed twice.
        is_plain: whether no version is expected, and the command alone goes to an executor.
        retries: how many version conflicts it met.
        backoff: the waits between them.
        append_outcome_unknown: whether an append was sent whose outcome is not known.
        outcome: reported unless it fails.
        events: how many events its answer has.
        state: for its answer, if its sender asked for it.
        state_error: why there is none.
        observation: where its outcome is reported, if anywhere.
        task: executes it.
        cancellations: how many had been requested of the task before.
        seconds: how long it may take.
        deadline: when that is over, in the seconds of `time.monotonic`.
        expired: whether the task was cancelled because it was over.
    """

    envelope: CommandEnvelope[Any]
    route: Route
    stream: str
    metadata: bytes | None = None
    unique_id: UUID | None = None
    is_plain: bool = True
    retries: int = 0
    backoff: Backoff | None = None
    append_outcome_unknown: bool = False
    outcome: Outcome = "accepted"
    events: int = 0
    state: Aggregate | None = None
    state_error: str | None = None
    observation: CommandObservation | None = None
    task: "asyncio.Task[Any]"
    cancellations: int
    seconds: float
    deadline: float
    expired: bool = False

    def __init__(
        self, envelope: CommandEnvelope[Any], router: Router, traceparent: str | None
    ) -> None:
        self._router = router
        self._traceparent = traceparent
        self.address(envelope)

    def address(self, envelope: CommandEnvelope[Any]) -> None:
        """Execute this envelope from here on.

        Raises:
            UnknownCommand: no aggregate executes its command.
            InvalidCommand: its identifier or metadata is unusable.
        """
        self.route = self._router[type(envelope.command)]
        self.stream = self.route.stream(envelope.command)
        self.metadata = self._stored_metadata(envelope)
        self.unique_id = envelope.command_id if envelope.idempotent else None
        self.is_plain = self.route.is_plain and envelope.expected_version is None
        self.envelope = envelope

    def keep_state(self, instance: LiveAggregate) -> None:
        """Keep a copy of the state for the answer.

        The command is executed: if its state cannot be copied, that is no error of the command.
        """
        try:
            self.state = instance.copied_state()
        except UnusableState as error:
            self.state_error = str(error)
            _log.warning(
                "the state after a command cannot be returned",
                extra={"command": self.route.name, "stream": self.stream},
                exc_info=error,
            )

    def result(
        self,
        version: int,
        position: int,
        events: Sequence[Event] = (),
        recorded: Sequence[RecordedEvent] = (),
    ) -> Dispatched[Any]:
        """The answer to the command."""
        self.events = len(events)
        return Dispatched(
            self.stream,
            version,
            position,
            events,
            recorded,
            self.envelope.command_id,
            self.envelope.correlation_id,
            state=self.state,
            state_error=self.state_error,
        )

    def repeated(
        self, recorded: Sequence[RecordedEvent], events: Sequence[Event]
    ) -> Dispatched[Any]:
        """The answer to a command that had been executed before, from what it stored then."""
        self.outcome = "repeated"
        self.events = len(events)
        last = recorded[-1]
        command_id = self.envelope.command_id
        return Dispatched(
            last.stream,
            last.version,
            last.position,
            events,
            recorded,
            command_id,
            last.correlation_id or command_id,
            repeated=True,
            state=self.state,
            state_error=self.state_error,
        )

    def _stored_metadata(self, envelope: CommandEnvelope[Any]) -> bytes | None:
        stored = _senders_metadata(envelope.metadata) if envelope.metadata else {}
        if envelope.causation_id is not None:  # first, where the store looks for it
            stored = {CAUSE: str(envelope.causation_id), **stored}
        if self._traceparent is not None:
            stored[TRACEPARENT] = self._traceparent
        principal = envelope.principal
        if principal is not None and principal is not ANONYMOUS and self._router.records_principal:
            stored[PRINCIPAL] = principal.subject
        elif envelope.scheduled_by is not None:
            stored[PRINCIPAL] = envelope.scheduled_by
        if envelope.idempotent:
            stored[COMMAND] = self.route.name
        return encode_metadata(stored) if stored else None
