"""The domain: a closed, validated set of aggregates and handlers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from chekov.domain.aggregate import Aggregate, CommandHandler, missing_appliers
from chekov.domain.handler import EventHandler, Projection
from chekov.domain.messages import Command, Event, Message, identifier_fields, yielded_events
from chekov.domain.methods import Method
from chekov.domain.personal import personal_events
from chekov.domain.serializer import Serializer
from chekov.domain.stored_names import StoredNames
from chekov.domain.upcasting import Upcaster, Upcasting
from chekov.errors import DefinitionError

M = TypeVar("M", bound=Message)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")


class Domain:
    """Everything that one service consists of. Building it checks all of it.

    Attributes:
        name: names its subscriptions in the store; keep it when the code changes.
        aggregates: the aggregate classes.
        handlers: the event handlers and projections.
        command_handlers: what looks at commands before their aggregates do.
        commands: stored name → command type.
        events: current stored name → event type.
        personal: event types with personal fields → which these are.
        serializer: writes the content of events; `None` writes JSON.

    Raises:
        DefinitionError: lists every fault of the domain and its classes.
    """

    def __init__(
        self,
        name: str,
        *,
        aggregates: Sequence[type[Aggregate]] = (),
        handlers: Sequence[EventHandler] = (),
        command_handlers: Sequence[CommandHandler] = (),
        upcasters: Sequence[Upcaster[Any]] = (),
        serializer: Serializer | None = None,
    ) -> None:
        self.name = name
        self.aggregates = tuple(aggregates)
        self.handlers = tuple(handlers)
        self.command_handlers = tuple(command_handlers)
        self.serializer = serializer
        faults = list(self._faults())
        self.commands = _named(self._command_types(), "command", faults)
        self.events = _named(self._event_types(), "event", faults)
        self.personal = personal_events(self.events.values(), faults)
        self._stored_names = StoredNames(self.events, upcasters, faults)
        if faults:
            raise DefinitionError(f"domain {name!r}", list(dict.fromkeys(faults)))
        self._aggregate_of = {
            command: aggregate for aggregate in self.aggregates for command in aggregate.executors
        }
        self._preparer_of = {
            command: (handler, method)
            for handler in self.command_handlers
            for command, method in handler.preparers.items()
        }
        self._identifier_of = {
            command: identifier_fields(command)[0] for command in self._aggregate_of
        }

    def aggregate_of(self, command: type[Command[Any]]) -> type[Aggregate] | None:
        """The aggregate that executes a command type, or `None`."""
        return self._aggregate_of.get(command)

    def identifier_of(self, command: type[Command[Any]]) -> str:
        """Name of the field that tells a command's instance."""
        return self._identifier_of[command]

    def preparer_of(self, command: type[Command[Any]]) -> tuple[CommandHandler, Method] | None:
        """The command handler, and its method, that sees a command type first, or `None`."""
        return self._preparer_of.get(command)

    def stored_names(self, event: type[Event]) -> tuple[str, ...]:
        """Every stored name that is read as an event type: now, as an alias, or after upcasters.

        The current one is the first.

        Raises:
            KeyError: it is no event of the domain.
        """
        return self._stored_names.of(event)

    @property
    def stored_types(self) -> Mapping[str, type[Event]]:
        """Each stored name whose content fits an event type as it is → the type."""
        return self._stored_names.types

    @property
    def upcasting(self) -> Upcasting:
        """What turns events of any further stored name into these."""
        return self._stored_names.upcasting

    @property
    def projections(self) -> tuple[Projection, ...]:
        """The handlers that are projections."""
        return tuple(item for item in self.handlers if isinstance(item, Projection))

    def _command_types(self) -> Iterable[type[Command[Any]]]:
        for aggregate in self._sound_aggregates:
            yield from aggregate.executors

    def _event_types(self) -> Iterable[type[Event]]:
        for aggregate in self._sound_aggregates:
            yield from aggregate.appliers
            for command in aggregate.executors:
                yield from yielded_events(command)
        for handler in self._sound_handlers:
            yield from handler.handlers

    def _faults(self) -> Iterable[str]:
        if not _NAME.match(self.name):
            yield (
                f"name {self.name!r} must start with a lower-case letter and hold only lower-case "
                "letters, digits, '-' and '_', 40 at most"
            )
        if not self.aggregates and not self.handlers:
            yield "it has neither aggregates nor handlers"
        yield from self._shape_faults()
        yield from _repeated("identity", ((item.identity, item) for item in self._sound_aggregates))
        yield from _repeated(
            "handler name", ((item.name, type(item)) for item in self._sound_handlers)
        )
        yield from self._schema_faults()
        yield from self._command_faults()
        yield from self._preparer_faults()

    @property
    def _sound_aggregates(self) -> tuple[type[Aggregate], ...]:
        return tuple(item for item in self.aggregates if _is_subclass(item, Aggregate))

    @property
    def _sound_handlers(self) -> tuple[EventHandler, ...]:
        return tuple(item for item in self.handlers if _is_instance(item, EventHandler))

    def _shape_faults(self) -> Iterable[str]:
        for aggregate in self.aggregates:
            if not _is_subclass(aggregate, Aggregate):
                yield f"aggregates: {aggregate!r} is no subclass of Aggregate"
            else:
                yield from aggregate.faults
                yield from missing_appliers(aggregate)
        for handler in self.handlers:
            if not _is_instance(handler, EventHandler):
                yield f"handlers: {handler!r} is no EventHandler; pass an instance of one"
            else:
                yield from handler.faults
                if not handler.handlers:
                    yield f"{type(handler).__qualname__} handles no event: add an @handle method"
        for handler in self.command_handlers:
            if not _is_instance(handler, CommandHandler):
                yield f"command_handlers: {handler!r} is no CommandHandler; pass an instance of one"
            else:
                yield from handler.faults

    def _schema_faults(self) -> Iterable[str]:
        schemas = (
            (f"{item.name}_v{item.version}".lower().replace("-", "_"), type(item))
            for item in self._sound_handlers
            if isinstance(item, Projection)
        )
        yield from _repeated("table schema", schemas)

    def _command_faults(self) -> Iterable[str]:
        executor: dict[type[Command[Any]], type[Aggregate]] = {}
        for aggregate in self._sound_aggregates:
            for command in aggregate.executors:
                other = executor.setdefault(command, aggregate)
                if other is not aggregate:
                    yield (
                        f"{command.__qualname__} is executed by {other.__qualname__} and by "
                        f"{aggregate.__qualname__}: keep one"
                    )
        for command in executor:
            yield from _identifier_faults(command)

    def _preparer_faults(self) -> Iterable[str]:
        executed = {
            command: aggregate
            for aggregate in self._sound_aggregates
            for command in aggregate.executors
        }
        preparer: dict[type[Command[Any]], str] = {}
        for handler in self.command_handlers:
            if not _is_instance(handler, CommandHandler):
                continue
            for command, method in handler.preparers.items():
                label = f"{type(handler).__qualname__}.{method.name}"
                if command not in executed:
                    yield f"{label} prepares {command.__qualname__}, which no aggregate executes"
                elif method.parameters[1:] and method.parameters[1][1] is not executed[command]:
                    wanted = executed[command].__qualname__
                    yield f"{label}: annotate its second parameter with {wanted}"
                other = preparer.setdefault(command, label)
                if other != label:
                    yield f"{other} and {label} both prepare {command.__qualname__}: keep one"


def _identifier_faults(command: type[Command[Any]]) -> Iterable[str]:
    try:
        names = identifier_fields(command)
    except DefinitionError as error:
        yield from (f"{command.__qualname__}: {fault}" for fault in error.faults)
        return
    if len(names) != 1:
        found = "none" if not names else "several: " + ", ".join(names)
        yield (
            f"{command.__qualname__} needs exactly one field annotated Identifier[…], it has "
            f"{found}"
        )


def _repeated(what: str, items: Iterable[tuple[str, type]]) -> Iterable[str]:
    seen: dict[str, type] = {}
    for name, item in items:
        if name in seen:
            yield (
                f"{seen[name].__qualname__} and {item.__qualname__} share the {what} {name!r}: "
                "give one another"
            )
        seen.setdefault(name, item)


def _named(types: Iterable[type[M]], what: str, faults: list[str]) -> dict[str, type[M]]:
    table: dict[str, type[M]] = {}
    for item in types:
        other = table.setdefault(item.name, item)
        if other is not item:
            faults.append(
                f"{other.__module__}.{other.__qualname__} and {item.__module__}."
                f"{item.__qualname__} are both the {what} {item.name!r}: give one a name="
            )
    return table


def _is_subclass(value: object, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _is_instance(value: object, base: type) -> bool:
    return isinstance(value, base)
