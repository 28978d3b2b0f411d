"""Given inputs, when an input, then commands and timers: a process manager without a store."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar, cast

from chekov.domain.definitions import definition_of, process_definition_of
from chekov.domain.messages import Command, Event
from chekov.domain.methods import Method
from chekov.domain.process_manager import ProcessManager, check_yielded
from chekov.domain.timers import Schedule, Timer
from chekov.errors import DefinitionError, Rejected

M = TypeVar("M", bound=ProcessManager)


class ProcessSpec(Generic[M]):
    """A process manager with a history, to give inputs to.

    Attributes:
        instances: the open ones by name, each with its state.

    Raises:
        DefinitionError: the process manager is wrong as written; every fault is listed.
    """

    def __init__(self, manager: type[M]) -> None:
        faults = definition_of(manager).faults
        if faults:
            raise DefinitionError(manager.__qualname__, faults)
        self._manager = manager
        self._definition = process_definition_of(manager)
        self._instances: dict[str, M] = {}

    @property
    def instances(self) -> Mapping[str, M]:
        """The open instances by name."""
        return self._instances

    @property
    def state(self) -> M:
        """The state of the only open instance.

        Raises:
            AssertionError: there is none, or there are several.
        """
        return self._only()

    def given(self, *inputs: Event | Timer) -> Self:
        """Another spec, in which these events and expired timers came after those before.

        Raises:
            AssertionError: the process manager does not take one of them.
        """
        after = copy.deepcopy(self)
        for item in inputs:
            after._take(item)
        return after

    def when(self, item: Event | Timer) -> Sequence[Command[Any] | Schedule]:
        """Return what an event, or a timer that is due, leads to; this spec does not change.

        Raises:
            AssertionError: the process manager does not take it, or it is for no open instance of
                a method that is `strict`.
            DefinitionError: a method yielded something else than commands and schedules.
        """
        return copy.deepcopy(self)._take(item)

    def when_rejected(
        self, command: Command[Any], reason: Rejected
    ) -> Sequence[Command[Any] | Schedule]:
        """Return what the refusal of a command of the only open instance leads to.

        Raises:
            AssertionError: the process manager does not handle it, or not one instance is open.
        """
        return copy.deepcopy(self)._refuse(command, reason)

    def given_rejected(self, command: Command[Any], reason: Rejected) -> Self:
        """Another spec, in which a command of the only open instance was refused."""
        after = copy.deepcopy(self)
        after._refuse(command, reason)
        return after

    def _take(self, item: Event | Timer) -> list[Command[Any] | Schedule]:
        if isinstance(item, Timer):
            method = self._definition.expirations.get(type(item))
            return self._call(self._only(), self._known(method, item), item)
        reaction = self._definition.reactions.get(type(item))
        method = self._known(None if reaction is None else reaction.method, item)
        yielded: list[Command[Any] | Schedule] = []
        for name in () if reaction is None else reaction.instances(item):
            state = self._instances.get(name)
            if reaction and reaction.strict and (state is None) != (method.role == "start"):
                has = "has not begun" if state is None else "has begun already"
                raise AssertionError(f"{self._manager.__qualname__} {name!r} {has}")
            if state is None and method.role != "start":
                continue
            state = self._instances.setdefault(name, state or self._manager())
            yielded += self._call(state, method, item)
            if method.role == "finish":
                del self._instances[name]
        return yielded

    def _refuse(self, command: Command[Any], reason: Rejected) -> list[Command[Any] | Schedule]:
        method = self._definition.rejections.get(type(command))
        return self._call(self._only(), self._known(method, command), command, reason)

    def _call(self, state: M, method: Method, *arguments: object) -> list[Command[Any] | Schedule]:
        answer = method.function(state, *arguments)
        items = cast("Iterable[object]", answer if isinstance(answer, Iterable) else ())
        return [check_yielded(self._manager, method, item) for item in items]

    def _known(self, method: Method | None, item: object) -> Method:
        if method is None:
            raise AssertionError(
                f"{self._manager.__qualname__} does not take {type(item).__qualname__}"
            )
        return method

    def _only(self) -> M:
        if len(self._instances) != 1:
            found = ", ".join(self._instances) or "none"
            raise AssertionError(
                f"one open instance of {self._manager.__qualname__} is needed; there is {found}"
            )
        [state] = self._instances.values()
        return state
