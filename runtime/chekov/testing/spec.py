"""Given events, when a command, then events: a domain tested without a store."""

import copy
from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.messages import Command, Event
from chekov.errors import UnknownCommand
from chekov.serialization.validation import validate_aggregate

A = TypeVar("A", bound=Aggregate)
E = TypeVar("E", bound=Event)


class Spec(Generic[A]):
    """One instance with a history, to send commands to.

    Attributes:
        state: what the given events made of it.

    Raises:
        DefinitionError: the aggregate is wrong as written; every fault is listed.
    """

    def __init__(self, aggregate: type[A]) -> None:
        validate_aggregate(aggregate)
        self._aggregate = aggregate
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
        return after

    def when(self, command: Command[E]) -> Sequence[E]:
        """Return the events that the command yields in this state, which does not change.

        Raises:
            Rejected: the domain refuses.
            UnknownCommand: the aggregate does not execute it.
            AssertionError: the executor changed the state, or yields what cannot be applied.
        """
        method = definition_of(self._aggregate).executors.get(type(command))
        if method is None:
            known = [kind.__qualname__ for kind in definition_of(self._aggregate).executors]
            raise UnknownCommand(type(command).__qualname__, known)
        before = copy.deepcopy(self.state)
        try:
            events: list[Any] = list(method.function(self.state, command))
        finally:
            label = f"{self._aggregate.__qualname__}.{method.name}"
            if self.state != before:
                raise AssertionError(
                    f"{label} changed the state from {before} to {self.state}: only @apply may"
                )
        self.given(*events)
        return events


def _apply(state: Aggregate, event: Event) -> None:
    method = definition_of(type(state)).appliers.get(type(event))
    if method is None:
        raise AssertionError(
            f"{type(state).__qualname__} does not apply {type(event).__qualname__}"
        )
    method.function(state, event)
