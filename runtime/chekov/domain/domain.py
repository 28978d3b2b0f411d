"""The domain: a closed, validated set of aggregates and handlers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any, Self, TypeVar

from chekov.domain.aggregate import Aggregate
from chekov.domain.authorization import Authorize, check_authorize
from chekov.domain.command_handler import CommandHandler, deciding
from chekov.domain.composition import Composition, Equipment
from chekov.domain.definitions import definition_of
from chekov.domain.handler import EventHandler, Projection
from chekov.domain.identifiers import StreamIdentifiers, identifier_kinds
from chekov.domain.lifespan import Lifespan, check_lifespan, objects_of, uninitialized
from chekov.domain.messages import Command, Event, identifier_fields
from chekov.domain.methods import Method
from chekov.domain.middleware import Middleware, check_middleware
from chekov.domain.personal import personal_events
from chekov.domain.process_manager import ProcessManager, check_commands
from chekov.domain.serializer import Serializer
from chekov.domain.stored_names import StoredNames
from chekov.domain.tags import personal_kinds, tagged_events
from chekov.domain.upcasting import Upcaster, UpcasterChain
from chekov.errors import DefinitionError

M = TypeVar("M", Event, Command[Any])

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")


class Domain:
    """All parts of one service. Its construction checks all of them.

    Args:
        handlers: event handlers, projections and process managers: objects, or classes, of which
            each runtime makes an object and gives its `__init__` the services.
        command_handlers: likewise.
        lifespan: opens the services when a runtime is entered, and closes them when it is left: a
            function that returns an async context manager.
        include: other domains, whose aggregates, handlers and upcasters this one has too. Their
            handlers have the services of their own lifespans; in the store, everything is this
            domain's.

    Attributes:
        name: names its subscriptions in the store; keep it when the code changes.
        handlers: the event handlers, projections and process managers.
        command_handlers: these decide about commands in place of their aggregates.
        lifespan: opens and closes what the domain's own of them are initialized with.
        upcasters: turn former events into those of the domain.
        equipment: those of both that were given as classes, and what they are initialized with.
        middleware: surrounds the execution of every command, the first outermost.
        authorize: decides what principals may do; `None` when everything is permitted.
        commands: stored name → command type.
        events: current stored name → event type.
        personal: event types with personal fields → these fields.
        tags: event types with tags → the names of the fields that are tags.
        personal_tags: those of the names whose values are personal.
        serializer: encodes the content of events; `None` means JSON.
        record_principal: whether each event has the subject of its command's principal in its
            metadata, as `$principal`; it stays there when a person is forgotten.

    Raises:
        DefinitionError: lists every fault of the domain and its classes.
    """

    def __init__(
        self,
        name: str,
        *,
        aggregates: Sequence[type[Aggregate]] = (),
        handlers: Sequence[EventHandler | type[EventHandler]] = (),
        command_handlers: Sequence[CommandHandler | type[CommandHandler]] = (),
        lifespan: Lifespan | None = None,
        middleware: Sequence[Middleware] = (),
        authorize: Authorize | None = None,
        upcasters: Sequence[Upcaster[Any]] = (),
        serializer: Serializer | None = None,
        record_principal: bool = True,
        include: "Sequence[Domain]" = (),
    ) -> None:
        faults: list[str] = []
        event_handlers: list[EventHandler] = []
        decided: list[CommandHandler] = []
        parts = Composition(include, faults)
        self.name = name
        self.aggregates = parts.aggregates(aggregates)
        self.handlers = parts.handlers(objects_of(handlers, EventHandler, event_handlers, faults))
        self.command_handlers = parts.command_handlers(
            objects_of(command_handlers, CommandHandler, decided, faults)
        )
        self.upcasters = parts.upcasters(upcasters)
        self.lifespan = lifespan
        self.equipment = parts.equipment(Equipment(lifespan, (*event_handlers, *decided)))
        check_lifespan(lifespan, (*event_handlers, *decided), faults)
        self.middleware = tuple(middleware)
        self.authorize = authorize
        self.serializer = serializer
        self.record_principal = record_principal
        parts.check_settings(self, faults)
        _check_itself(self, faults)
        sound_aggregates = _sound_aggregates(self.aggregates, parts, faults)
        sound_handlers = _sound_handlers(self.handlers, faults)
        sound_command_handlers = _sound_command_handlers(self.command_handlers, faults)
        self._aggregate_of = _aggregate_of(sound_aggregates, parts, faults)
        self._decided_by = deciding(
            sound_command_handlers, self._aggregate_of, sound_aggregates, faults
        )
        self._identifier_of = _identifier_of(self._aggregate_of, faults)
        self._identifier_kinds = identifier_kinds(self._identifier_of, self._aggregate_of, faults)
        self._stream_identifiers = StreamIdentifiers(
            {
                definition_of(item).identity: self._identifier_kinds.get(item, str)
                for item in sound_aggregates
            }
        )
        _check_handler_names(sound_handlers, parts, faults)
        check_middleware(self.middleware, faults)
        check_authorize(authorize, faults)
        for manager in self.process_managers:
            check_commands(manager, self._aggregate_of, faults)
        self.commands = _by_name(self._aggregate_of, "command", faults)
        _check_command_names(self.commands, faults)
        self.events = _by_name(_event_types(sound_aggregates, sound_handlers), "event", faults)
        self.personal = personal_events(self.events.values(), faults)
        self.tags = tagged_events(self.events.values(), faults)
        self.personal_tags = personal_kinds(self.tags, faults)
        self._stored_names = StoredNames(self.events, self.upcasters, faults)
        if faults:
            raise DefinitionError(f"domain {name!r}", list(dict.fromkeys(faults)))

    def renewed(self) -> Self:
        """The same domain, with new objects of the handlers that were given as classes."""
        if not self.made:
            return self
        renewed = copy(self)
        new = {id(item): uninitialized(type(item)) for item in self.made}
        renewed.equipment = tuple(
            Equipment(item.lifespan, tuple(new[id(one)] for one in item.made))
            for item in self.equipment
        )

        def current(item: Any) -> Any:
            return new.get(id(item), item)

        renewed.handlers = tuple(map(current, self.handlers))
        renewed.command_handlers = tuple(map(current, self.command_handlers))
        return renewed

    def with_lifespan(self, lifespan: Lifespan) -> Self:
        """The same domain with another lifespan, in place of all, for tests.

        Raises:
            DefinitionError: it is not a lifespan, or does not suit the handlers.
        """
        faults: list[str] = []
        check_lifespan(lifespan, self.made, faults)
        if faults:
            raise DefinitionError(f"domain {self.name!r}", faults)
        changed = copy(self)
        changed.lifespan = lifespan
        changed.equipment = (Equipment(lifespan, self.made),)
        return changed

    @property
    def made(self) -> tuple[object, ...]:
        """The handlers that were given as classes; no `__init__` of them was called."""
        return tuple(one for item in self.equipment for one in item.made)

    def aggregate_of(self, command: type[Command[Any]]) -> type[Aggregate] | None:
        """The aggregate whose instances a command type is for, or `None`."""
        return self._aggregate_of.get(command)

    def identifier_of(self, command: type[Command[Any]]) -> str:
        """Name of the field, or of the computed attribute, that identifies its instance."""
        return self._identifier_of[command]

    def identifier_kind(self, aggregate: type[Aggregate]) -> type | None:
        """The class of an aggregate's identifiers; `None` when it executes no command."""
        return self._identifier_kinds.get(aggregate)

    def identifier_in(self, stream: str) -> Any:
        """The identifier of the instance that a stream is of; `None` if it belongs to none."""
        return self._stream_identifiers.find(stream)

    def command_handler_of(
        self, command: type[Command[Any]]
    ) -> tuple[CommandHandler, Method] | None:
        """The command handler that decides about a command type and its method, or `None`."""
        found = self._decided_by.get(command)
        return None if found is None else (self.command_handlers[found[0]], found[1])

    def stored_names(self, event: type[Event]) -> tuple[str, ...]:
        """Every stored name that is read as an event type, also as an alias or through upcasters.

        The current name comes first.

        Raises:
            KeyError: the domain has no such event.
        """
        return self._stored_names.of(event)

    @property
    def stored_types(self) -> Mapping[str, type[Event]]:
        """Each stored name whose content fits an event type as it is → the type."""
        return self._stored_names.types

    @property
    def upcasting(self) -> UpcasterChain:
        """Turns events of any further stored name into these."""
        return self._stored_names.upcasting

    @property
    def projections(self) -> tuple[Projection, ...]:
        """The handlers that are projections."""
        return tuple(item for item in self.handlers if isinstance(item, Projection))

    @property
    def process_managers(self) -> tuple[ProcessManager, ...]:
        """The handlers that are process managers."""
        return tuple(item for item in self.handlers if isinstance(item, ProcessManager))


def _check_itself(domain: Domain, faults: list[str]) -> None:
    if not domain.aggregates and not domain.handlers:
        faults.append("it has neither aggregates nor handlers")
    if not _NAME.match(domain.name):
        faults.append(
            f"name {domain.name!r} must start with a lower-case letter and hold only lower-case "
            "letters, digits, '-' and '_', 40 at most"
        )


def _sound_aggregates(
    items: Iterable[object], parts: Composition, faults: list[str]
) -> list[type[Aggregate]]:
    sound: list[type[Aggregate]] = []
    for item in items:
        if isinstance(item, type) and issubclass(item, Aggregate):
            sound.append(item)
            faults += definition_of(item).faults
        else:
            faults.append(f"aggregates: {item!r} is not a subclass of Aggregate")
    identities = ((definition_of(item).identity, item) for item in sound)
    _check_unique("identity", identities, parts, faults)
    return sound


def _sound_handlers(items: Iterable[object], faults: list[str]) -> list[EventHandler]:
    sound: list[EventHandler] = []
    for item in items:
        if not isinstance(item, EventHandler):
            faults.append(
                f"handlers: {item!r} is not an instance of EventHandler, Projection or "
                "ProcessManager"
            )
            continue
        sound.append(item)
        definition = definition_of(item)
        faults += definition.faults
        if not definition.handlers and not definition.faults:
            faults.append(f"{type(item).__qualname__} handles no event: add an @handle method")
    return sound


def _sound_command_handlers(items: Iterable[object], faults: list[str]) -> list[CommandHandler]:
    sound: list[CommandHandler] = []
    for item in items:
        if isinstance(item, CommandHandler):
            sound.append(item)
            faults += definition_of(item).faults
        else:
            faults.append(f"command_handlers: {item!r} is not an instance of CommandHandler")
    return sound


def _check_handler_names(
    handlers: Sequence[EventHandler], parts: Composition, faults: list[str]
) -> None:
    named = [(definition_of(item), type(item)) for item in handlers]
    names = ((item.name, kind) for item, kind in named)
    _check_unique("handler name", names, parts, faults)
    schemas = (
        (f"{item.name}_v{item.version}".lower().replace("-", "_"), kind)
        for item, kind in named
        if issubclass(kind, Projection)
    )
    _check_unique("table schema", schemas, parts, faults)


def _aggregate_of(
    aggregates: Iterable[type[Aggregate]], parts: Composition, faults: list[str]
) -> dict[type[Command[Any]], type[Aggregate]]:
    table: dict[type[Command[Any]], type[Aggregate]] = {}
    for aggregate in aggregates:
        for command in definition_of(aggregate).executors:
            other = table.setdefault(command, aggregate)
            if other is not aggregate:
                faults.append(
                    f"{command.__qualname__} is executed by {parts.place(other)} and by "
                    f"{parts.place(aggregate)}: keep one"
                )
    return table


def _identifier_of(
    commands: Iterable[type[Command[Any]]], faults: list[str]
) -> dict[type[Command[Any]], str]:
    table: dict[type[Command[Any]], str] = {}
    for command in commands:
        try:
            names = identifier_fields(command)
        except DefinitionError as error:
            faults.extend(f"{command.__qualname__}: {fault}" for fault in error.faults)
            continue
        if len(names) == 1:
            table[command] = names[0]
        else:
            found = "none" if not names else "several: " + ", ".join(names)
            faults.append(
                f"{command.__qualname__} needs exactly one field annotated Identifier[…], or one "
                f"method marked @identifier; it has {found}"
            )
    return table


def _check_command_names(commands: Mapping[str, type[Command[Any]]], faults: list[str]) -> None:
    faults.extend(
        f"{kind.__qualname__}: name {name[:60]!r} must be printable, not empty and without '/': "
        "it is a part of a URL"
        for name, kind in commands.items()
        if not name or "/" in name or not name.isprintable()
    )


def _event_types(
    aggregates: Iterable[type[Aggregate]], handlers: Iterable[EventHandler]
) -> Iterable[type[Event]]:
    for aggregate in aggregates:
        definition = definition_of(aggregate)
        yield from definition.appliers
        for command in definition.executors:
            yield from definition_of(command).events
    for handler in handlers:
        # A handler of `Event` takes every event of the domain, and adds none.
        yield from (kind for kind in definition_of(handler).handlers if kind is not Event)


def _check_unique(
    what: str, items: Iterable[tuple[str, type]], parts: Composition, faults: list[str]
) -> None:
    seen: dict[str, type] = {}
    for name, item in items:
        if name in seen:
            faults.append(
                f"{parts.place(seen[name])} and {parts.place(item)} share the {what} "
                f"{name!r}: rename one"
            )
        seen.setdefault(name, item)


def _by_name(types: Iterable[type[M]], what: str, faults: list[str]) -> dict[str, type[M]]:
    table: dict[str, type[M]] = {}
    for item in types:
        name = definition_of(item).name
        other = table.setdefault(name, item)
        if other is not item:
            faults.append(
                f"{other.__module__}.{other.__qualname__} and {item.__module__}."
                f"{item.__qualname__} are both the {what} {name!r}: give one a name="
            )
    return table
