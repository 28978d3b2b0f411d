"""Given events, when a command, then events: a domain tested without a store."""

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Generic, Self, TypeVar
from uuid import uuid4

from chekov.domain.aggregate import Aggregate
from chekov.domain.boundary import scopes_of
from chekov.domain.command_context import CommandContext
from chekov.domain.definitions import definition_of
from chekov.domain.messages import Command, Event
from chekov.domain.principal import Principal
from chekov.domain.purity import executed
from chekov.domain.scope import Scope
from chekov.domain.tags import tagged_events, tags_of
from chekov.errors import InvalidArgument, UnknownCommand
from chekov.serialization.validation import validate_aggregate

A = TypeVar("A", bound=Aggregate)
E = TypeVar("E", bound=Event)


class Spec(Generic[A]):
    """One instance with a history, to send commands to.

    Attributes:
        state: what the given events made of it.
        history: the given events.

    Raises:
        DefinitionError: the aggregate is wrong as written; every fault is listed.
    """

    def __init__(self, aggregate: type[A]) -> None:
        validate_aggregate(aggregate)
        self._aggregate = aggregate
        self._time: datetime | None = None
        self._principal: Principal | None = None
        self.history: list[Event] = []
        self.state = aggregate()

    def given(self, *events: Event) -> Self:
        """Another spec, in which these events happened after those given before.

        Raises:
            AssertionError: the aggregate does not apply one of them.
        """
        after = copy.deepcopy(self)
        for event in events:
            # A state that keeps a list of its event, and changes it, must not change the event.
            _apply(after.state, copy.deepcopy(event))
            after.history.append(event)
        return after

    def at(self, time: datetime) -> Self:
        """Another spec, in which commands are sent at this time; by default, now.

        Raises:
            InvalidArgument: it has no time zone, so it could be any of several moments.
        """
        if time.tzinfo is None:
            raise InvalidArgument(f"time={time!r}: expected one with a zone, such as UTC")
        after = copy.deepcopy(self)
        after._time = time.astimezone(UTC)  # noqa: SLF001 its own
        return after

    def by(self, principal: Principal) -> Self:
        """Another spec, in which commands are sent on somebody's behalf."""
        after = copy.deepcopy(self)
        after._principal = principal  # noqa: SLF001 its own
        return after

    def when(self, command: Command[E]) -> Sequence[E]:
        """Return the events that the command yields in this state, which does not change.

        Raises:
            Rejected: the domain refuses.
            UnknownCommand: the aggregate does not execute it.
            StateChanged: the executor changed the state.
            AssertionError: it yields what cannot be applied.
        """
        method = definition_of(self._aggregate).executors.get(type(command))
        if method is None:
            known = [kind.__qualname__ for kind in definition_of(self._aggregate).executors]
            raise UnknownCommand(type(command).__qualname__, known)
        context = () if method.context_place is None else (self._context(),)
        state = self._decides_by(command)
        events = executed(self._aggregate, method, state, command, *context)
        after = copy.deepcopy(state)
        for event in events:
            _apply(after, copy.deepcopy(event))
        return events

    def _context(self) -> CommandContext:
        command_id = uuid4()
        return CommandContext(
            time=self._time or datetime.now(UTC),
            command_id=command_id,
            correlation_id=command_id,
            principal=self._principal,
        )

    def _decides_by(self, command: Command[Any]) -> Aggregate:
        """The state that a command is executed in: a boundary's has the events in scope only."""
        method = scopes_of(self._aggregate).get(type(command))
        if method is None:
            return self.state
        state = self._aggregate()
        scope: Scope = method.function(state, command)
        for event in self.history:
            tags = tags_of(event, tagged_events([type(event)], []).get(type(event), ()))
            if scope.matches(definition_of(type(event)).name, tags):
                _apply(state, copy.deepcopy(event))
        return state


def _apply(state: Aggregate, event: Event) -> None:
    method = definition_of(type(state)).appliers.get(type(event))
    if method is None:
        raise AssertionError(
            f"{type(state).__qualname__} does not apply {type(event).__qualname__}"
        )
    method.function(state, event)
