"""Given inputs, when an input, then commands and timers: a process manager without a store."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

from chekov.domain.definitions import definition_of, process_definition_of
from chekov.domain.messages import Command, Event
from chekov.domain.methods import Method
from chekov.domain.process_manager import ProcessManager, react
from chekov.domain.timers import Schedule, Timer
from chekov.errors import DefinitionError, Rejected

M = TypeVar("M", bound=ProcessManager)


class ProcessSpec(Generic[M]):
    """A process manager with a history, to give inputs to.

    Timers and refusals are for the only open instance.

    Raises:
        DefinitionError: the process manager is wrong as written; every fault is listed.
    """

    def __init__(self, manager: type[M]) -> None:
        faults = definition_of(manager).faults
        if faults:
            raise DefinitionError(manager.__qualname__, faults)
        self._manager = manager
        self._instances = _Instances(manager)

    @property
    def instances(self) -> Mapping[str, M]:
        """The open instances by name, each with its state."""
        return self._instances.states

    @property
    def state(self) -> M:
        """The state of the only open instance.

        Raises:
            AssertionError: there is none, or there are several.
        """
        return self._instances.only()

    def given(self, *inputs: Event | Timer) -> Self:
        """Another spec, in which these events and expired timers came after those before.

        Raises:
            AssertionError: the process manager does not take one of them.
        """
        after = copy.deepcopy(self)
        for item in inputs:
            after._instances.take(copy.deepcopy(item))  # noqa: SLF001 its own
        return after

    def given_rejected(self, command: Command[Any], reason: Rejected) -> Self:
        """Another spec, in which a command was refused.

        Raises:
            AssertionError: the process manager does not handle the refusal.
        """
        after = copy.deepcopy(self)
        after._instances.refuse(command, reason)  # noqa: SLF001 its own
        return after

    def when(self, item: Event | Timer) -> Sequence[Command[Any] | Schedule]:
        """Return what an event, or a timer that is due, leads to; this spec does not change.

        Raises:
            AssertionError: the process manager does not take it.
            UnexpectedInput: a `strict` method refuses it.
            DefinitionError: a method yields something else than commands and schedules.
        """
        return copy.deepcopy(self._instances).take(item)

    def when_rejected(
        self, command: Command[Any], reason: Rejected
    ) -> Sequence[Command[Any] | Schedule]:
        """Return what the refusal of a command leads to; this spec does not change.

        Raises:
            AssertionError: the process manager does not handle it.
        """
        return copy.deepcopy(self._instances).refuse(command, reason)


class _Instances(Generic[M]):
    """The open instances.

    Attributes:
        states: by name.
    """

    def __init__(self, manager: type[M]) -> None:
        self._manager = manager
        self.states: dict[str, M] = {}

    def take(self, item: Event | Timer) -> list[Command[Any] | Schedule]:
        definition = process_definition_of(self._manager)
        if isinstance(item, Timer):
            method = self._known(definition.expirations.get(type(item)), item)
            return react(self._manager, method, self.only(), item)
        reaction = definition.reactions.get(type(item))
        if reaction is None:
            raise self._unknown(item)
        yielded: list[Command[Any] | Schedule] = []
        for name in reaction.instances(item):
            if reaction.concerns(name, begun=name in self.states):
                state = self.states.setdefault(name, self._manager())
                yielded += react(self._manager, reaction.method, state, item)
                if reaction.method.role == "finish":
                    del self.states[name]
        return yielded

    def refuse(self, command: Command[Any], reason: Rejected) -> list[Command[Any] | Schedule]:
        methods = process_definition_of(self._manager).rejections
        method = self._known(methods.get(type(command)), command)
        return react(self._manager, method, self.only(), command, reason)

    def only(self) -> M:
        if len(self.states) != 1:
            found = ", ".join(self.states) or "none"
            raise AssertionError(
                f"one open instance of {self._manager.__qualname__} is needed, there is: {found}"
            )
        [state] = self.states.values()
        return state

    def _known(self, method: Method | None, item: object) -> Method:
        if method is None:
            raise self._unknown(item)
        return method

    def _unknown(self, item: object) -> AssertionError:
        name = type(item).__qualname__
        return AssertionError(f"{self._manager.__qualname__} does not take {name}")
