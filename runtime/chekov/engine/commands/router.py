"""Routing: the aggregate and the stream of a command, resolved once for each command type."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event
from chekov.domain.names import NAME_BYTES, is_name
from chekov.errors import DefinitionError, InvalidCommand, UnknownCommand


@dataclass(frozen=True, slots=True)
class Route:
    """How the commands of one type are executed."""

    command: type[Command[Any]]
    name: str
    aggregate: type[Aggregate]
    prefix: str
    field: str
    identifier: Callable[[Command[Any]], object]
    execute: Callable[[Any, Command[Any]], Iterable[Event]]
    prepare: Callable[[Command[Any], Any], Any] | None

    def check_prepared(self, command: Command[Any], prepared: object) -> None:
        """Refuse what a command handler returned, unless it is a command for the same instance.

        Raises:
            DefinitionError: it is of another type, or for another instance.
        """
        fault = None
        if type(prepared) is not self.command:
            fault = (
                f"it returned {type(prepared).__qualname__} for {self.command.__qualname__}: "
                "return the same command, or one of the same type"
            )
        elif self.stream(prepared) != self.stream(command):
            fault = (
                f"it returned {self.command.__qualname__} for {self.stream(prepared)!r} and was "
                f"called for {self.stream(command)!r}: keep {self.field}"
            )
        if fault is not None:
            handler: Any = self.prepare
            raise DefinitionError(handler.__qualname__, [fault])

    def stream(self, command: Command[Any]) -> str:
        """The stream of the instance that `command` names.

        Raises:
            InvalidCommand: the identifier is empty or too long to name a stream.
        """
        identifier = str(self.identifier(command))
        stream = self.prefix + identifier
        if not identifier or not is_name(stream):
            raise InvalidCommand(
                f"{self.name}: its identifier, {identifier[:60]!r}, cannot name a stream: it must "
                f"have 1 to {NAME_BYTES - len(self.prefix.encode())} bytes of UTF-8, without NUL",
                f"$.{self.field}",
            )
        return stream


class Router:
    """The routes of a domain."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._routes = {
            kind: _route(domain, kind, aggregate)
            for aggregate in domain.aggregates
            for kind in definition_of(aggregate).executors
        }

    def __getitem__(self, command: type[Command[Any]]) -> Route:
        """The route of a command type.

        Raises:
            UnknownCommand: no aggregate executes it.
        """
        try:
            return self._routes[command]
        except KeyError:
            raise UnknownCommand(command.__name__, tuple(self._domain.commands)) from None


def _route(domain: Domain, kind: type[Command[Any]], aggregate: type[Aggregate]) -> Route:
    field = domain.identifier_of(kind)
    prepared = domain.preparer_of(kind)
    definition = definition_of(aggregate)
    return Route(
        command=kind,
        name=definition_of(kind).name,
        aggregate=aggregate,
        prefix=definition.stream(""),
        field=field,
        identifier=attrgetter(field),
        execute=definition.executors[kind].function,
        prepare=None if prepared is None else prepared[1].function.__get__(prepared[0]),
    )
