"""Pure reactions: states and inputs of a process manager → states, commands and timers.

A batch of inputs is handled on states that were loaded before, and nothing is sent or stored here:
`ReactionBatch.changes` says what to store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from chekov.domain.definitions import definition_of, process_definition_of
from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event
from chekov.domain.methods import Method
from chekov.domain.names import OWN
from chekov.domain.process_manager import ProcessManager, Reaction, react
from chekov.domain.timers import Schedule, Timer
from chekov.errors import ChekovError, Rejected
from chekov.serialization.codec import Codec
from chekov.serialization.processes import ProcessCodec
from chekov.store.port import (
    OutgoingCommand,
    PendingTimer,
    ProcessChanges,
    ProcessState,
    QueuedCommand,
)

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class UnhandledRefusal(ChekovError):
    """A command was refused, and its process manager has no method marked `@rejected` for it."""


class Source(NamedTuple):
    """Where an input comes from; what it leads to inherits from it.

    Attributes:
        id: of the input, from which the ids of commands and timers are derived.
        time: when it was stored.
        metadata: as stored.
    """

    id: UUID
    time: datetime
    correlation_id: UUID | None
    metadata: bytes | None


@dataclass(slots=True)
class _Instance:
    """An instance in the course of a batch; its state is `None` while it is not open."""

    name: str
    state: Any
    begun_by: UUID
    begun: datetime
    touched: bool = False


class ReactionBatch:
    """Handles one input after the other.

    Args:
        kind: the class of the process manager.
        domain: whose name and commands it uses.
        codec: encodes commands.
        processes: encodes states and timers.
        loaded: the open instances among those that the batch concerns.
    """

    def __init__(
        self,
        kind: type[ProcessManager],
        domain: Domain,
        codec: Codec,
        processes: ProcessCodec,
        loaded: Mapping[str, ProcessState],
    ) -> None:
        self._kind = kind
        self._definition = process_definition_of(kind)
        self._label = f"{domain.name}:{definition_of(kind).name}"
        self._codec = codec
        self._processes = processes
        self._loaded = loaded
        self._instances: dict[str, _Instance] = {}
        self._finished: dict[str, None] = {}
        self._timers: dict[tuple[str, str], PendingTimer | None] = {}
        self._answered: list[int] = []
        self._commands: list[OutgoingCommand] = []

    def react_to_event(self, reaction: Reaction, name: str, event: Event, source: Source) -> None:
        """Handle an event for one instance.

        Raises:
            UnexpectedInput: `strict` refuses it.
            Exception: what the method raises.
        """
        instance = self._instance(name)
        if not reaction.concerns(name, begun=instance.state is not None):
            return
        if instance.state is None:
            instance.state = self._kind()
            instance.begun_by, instance.begun = source.id, source.time
        self._call(instance, reaction.method, (event,), source)
        if reaction.method.role == "finish":
            self._finish(instance)

    def react_to_refusal(
        self, queued: QueuedCommand, command: Command[Any] | None, reason: Rejected, source: Source
    ) -> None:
        """Handle the refusal of a command; without effect when its instance is gone.

        Args:
            queued: the command in the outbox.
            command: the same; `None` if the domain can no longer read it.
            reason: why it was refused.
            source: what this leads to inherits from it.

        Raises:
            UnhandledRefusal: there is no method for it.
            Exception: what the method raises.
        """
        sent = queued.sent
        instance = self._instance(sent.instance)
        if instance.state is not None and instance.begun_by == sent.begun_by:
            kind: Any = type(command)
            method = self._definition.rejections.get(kind)
            if method is None:
                raise UnhandledRefusal(
                    f"{sent.command} of {self._kind.__qualname__} {sent.instance!r} was refused: "
                    f"{reason}; add a method marked @rejected for it"
                ) from reason
            self._call(instance, method, (command, reason), source)
        self._answered.append(queued.number)

    def react_to_expiry(self, pending: PendingTimer, timer: Timer, source: Source) -> None:
        """Handle a timer that is due; without effect when its instance is gone.

        Raises:
            Exception: what the method raises.
        """
        self._timers[pending.instance, pending.name] = None
        instance = self._instance(pending.instance)
        if instance.state is not None:
            method = self._definition.expirations[type(timer)]
            self._call(instance, method, (timer,), source)

    def send(self, pending: PendingTimer) -> None:
        """Put a command that was scheduled, and is due, into the outbox."""
        self._timers[pending.instance, pending.name] = None
        self._commands.append(
            OutgoingCommand(
                pending.instance,
                pending.begun_by,
                pending.id,
                pending.command or "",
                pending.data,
                pending.correlation_id,
                pending.causation_id,
                pending.metadata,
            )
        )

    def changes(self) -> ProcessChanges:
        """What to store.

        Raises:
            UnreadableProcess: a state would come back as another one.
        """
        return ProcessChanges(
            finished=list(self._finished),
            removed=[place for place, timer in self._timers.items() if timer is None],
            answered=self._answered,
            states=[
                ProcessState(
                    instance.name,
                    instance.begun_by,
                    instance.begun,
                    self._processes.encode_state(instance.state),
                )
                for instance in self._instances.values()
                if instance.touched and instance.state is not None
            ],
            timers=[timer for timer in self._timers.values() if timer is not None],
            commands=self._commands,
        )

    def _instance(self, name: str) -> _Instance:
        found = self._instances.get(name)
        if found is None:
            stored = self._loaded.get(name)
            if stored is None:
                found = _Instance(name, None, UUID(int=0), _NEVER)
            else:
                state = self._processes.decode_state(self._kind, name, stored.data)
                found = _Instance(name, state, stored.begun_by, stored.begun)
            self._instances[name] = found
        return found

    def _finish(self, instance: _Instance) -> None:
        instance.state = None
        self._finished[instance.name] = None
        for place in [place for place in self._timers if place[0] == instance.name]:
            self._timers[place] = None

    def _call(
        self, instance: _Instance, method: Method, arguments: tuple[object, ...], source: Source
    ) -> None:
        instance.touched = True
        for number, yielded in enumerate(react(self._kind, method, instance.state, *arguments)):
            id_ = uuid5(source.id, f"{self._label}:{instance.name}:{number}")
            if isinstance(yielded, Command):
                self._commands.append(self._outgoing(instance, yielded, id_, source))
            else:
                self._schedule(instance, yielded, id_, source)

    def _outgoing(
        self, instance: _Instance, command: Command[Any], id_: UUID, source: Source
    ) -> OutgoingCommand:
        return OutgoingCommand(
            instance.name,
            instance.begun_by,
            id_,
            definition_of(type(command)).name,
            self._codec.encode(command),
            source.correlation_id,
            source.id,
            source.metadata,
        )

    def _schedule(self, instance: _Instance, schedule: Schedule, id_: UUID, source: Source) -> None:
        subject = schedule.subject
        if isinstance(subject, type):
            self._timers[instance.name, definition_of(subject).name] = None
            return
        command: str | None = None
        if isinstance(subject, Timer):
            name, data = definition_of(type(subject)).name, self._processes.encode_timer(subject)
        else:
            command, name = definition_of(type(subject)).name, f"{OWN}{id_}"
            data = self._codec.encode(subject)
        self._timers[instance.name, name] = PendingTimer(
            instance.name,
            name,
            id_,
            schedule.due(source.time),
            command,
            data,
            instance.begun_by,
            source.correlation_id,
            source.id,
            source.metadata,
        )
