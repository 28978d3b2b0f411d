"""What contexts are connected to: the identifiers of a domain, and the commands of a handler."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import UUID, uuid5

from chekov.domain.context import Context
from chekov.domain.domain import Domain
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.messages import Command, Event
from chekov.errors import CommandIdReused, DefinitionError

E = TypeVar("E", bound=Event)

Execute: TypeAlias = Callable[[CommandEnvelope[Any]], Awaitable[Any]]
"""Executes the command in an envelope."""


class Scheduling(Protocol):
    """Schedules commands, and cancels them; see `ScheduledCommands`."""

    @property
    def schedule(self) -> Callable[..., Coroutine[Any, Any, UUID]]: ...

    @property
    def cancel(self) -> Callable[[UUID], Coroutine[Any, Any, bool]]: ...


class HandlerSender:
    """Executes the commands of one handler, each once, however often its event is delivered.

    Args:
        domain: that the handler belongs to.
        name: of the handler; its versions share the ids of commands, so that a new one, which
            starts from the origin, does not repeat what the old one did.
        execute: executes the command in an envelope.
        scheduling: keeps commands for later.
    """

    def __init__(self, domain: Domain, name: str, execute: Execute, scheduling: Scheduling) -> None:
        self._name = f"{domain.name}/{name}"
        self._execute = execute
        self._schedule = scheduling.schedule
        self.cancel = scheduling.cancel
        self.identifier_in = domain.identifier_in

    async def send(
        self,
        context: Context,
        number: int,
        command: Command[E],
        *,
        metadata: Mapping[str, Any] | None,
        expected_version: int | None,
        timeout: float | None,
    ) -> Sequence[E]:
        """Execute a command, or return what it stored the first time.

        Raises:
            DefinitionError: at an earlier delivery, another command had this number.
        """
        envelope = CommandEnvelope.of(
            command,
            command_id=self._id(context, number),
            correlation_id=context.correlation_id or context.id,
            causation_id=context.id,
            metadata=_merged(context, metadata),
            expected_version=expected_version,
            timeout=timeout,
        )
        try:
            return (await self._execute(envelope)).events
        except CommandIdReused as error:
            before = f"{error.command or 'another command'} to {error.stream!r}"
            fault = (
                f"when event {context.id} was delivered before, its command {number + 1} was "
                f"{before}: dispatch the same commands in the same order each time, and derive the "
                "identifiers of new instances from the event, as `uuid5(context.id, …)`"
            )
            raise DefinitionError(self._name, [fault]) from error

    async def schedule(
        self,
        context: Context,
        number: int,
        command: Command[Any],
        *,
        id: UUID | None,  # noqa: A002 the word of the handler's author
        metadata: Mapping[str, Any] | None,
        **when: Any,
    ) -> UUID:
        """Schedule a command, unless that was done at an earlier delivery."""
        return await self._schedule(
            command,
            id=id or self._id(context, number),
            correlation_id=context.correlation_id or context.id,
            causation_id=context.id,
            metadata=_merged(context, metadata),
            **when,
        )

    def _id(self, context: Context, number: int) -> UUID:
        return uuid5(context.id, f"{self._name}/{number}")


def _merged(context: Context, metadata: Mapping[str, Any] | None) -> Any:
    """The metadata of the event, and what is added to it.

    Anything but a mapping is passed on, to be refused like that of any other command.
    """
    if isinstance(metadata, Mapping):
        return {**context.metadata, **metadata}
    return context.metadata if metadata is None else metadata


class RefusingSender:
    """Refuses commands where sending one would not be safe.

    Args:
        domain: that the handler belongs to.
        subject: what sends them.
        reason: why it may not, and what to do instead.
    """

    def __init__(self, domain: Domain, subject: str, reason: str) -> None:
        self.identifier_in = domain.identifier_in
        self._subject = subject
        self._reason = reason

    async def send(self, _context: Context, _number: int, command: Any, **_options: Any) -> Any:
        """Refuse.

        Raises:
            DefinitionError: always.
        """
        name = type(command).__qualname__
        raise DefinitionError(self._subject, [f"it dispatches {name}: {self._reason}"])

    schedule = send

    async def cancel(self, _id: UUID) -> Any:
        """Refuse.

        Raises:
            DefinitionError: always.
        """
        raise DefinitionError(self._subject, [f"it cancels a command: {self._reason}"])
