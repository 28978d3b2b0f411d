"""Aggregates: a state that commands read and events change."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from inspect import isgeneratorfunction
from typing import (
    Any,
    ClassVar,
    Concatenate,
    ParamSpec,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
)

from chekov.domain.keywords import refuse_unknown_keywords
from chekov.domain.messages import Command, Event, event_types
from chekov.domain.methods import Method, by_message, check_messages, mark, marked
from chekov.domain.names import NAME_BYTES, OWN, UUID_BYTES
from chekov.domain.states import make_state
from chekov.errors import DefinitionError

A = TypeVar("A")
C = TypeVar("C", bound=Command[Any])
E = TypeVar("E", bound=Event)
P = ParamSpec("P")

SnapshotPolicy: TypeAlias = Callable[[int, int, float], bool]
"""Whether a snapshot is due, by the stream's version, the number of events since the last snapshot
and the seconds that rehydration took; 0.0 when this process has not rehydrated the state."""


def execute(
    method: Callable[[A, C], Iterable[E]],
) -> Callable[[A, C], Iterable[E]]:
    """Mark the method that decides about a command: it reads the state and yields events.

    It must be pure. It refuses by raising `Rejected`, and changes nothing by yielding nothing.
    """
    return mark("execute", method)


def apply(method: Callable[[A, E], None]) -> Callable[[A, E], None]:
    """Mark the method that changes the state by an event: the only place where it changes."""
    return mark("apply", method)


def prepare(
    method: Callable[Concatenate[A, C, P], Awaitable[C]],
) -> Callable[Concatenate[A, C, P], Awaitable[C]]:
    """Mark the method of a `CommandHandler` that sees a command before its aggregate does."""
    return mark("prepare", method)


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateDefinition:
    """What the class statement and the methods of an aggregate say.

    Attributes:
        identity: prefixes the streams of its instances.
        snapshot_due: its snapshot policy; `None` when it has no snapshots.
        snapshot_version: raised by the author when older snapshots must not be used.
        executors: command type → the method that executes it.
        appliers: event type → the method that applies it.
        faults: one sentence for each mistake in the class.
    """

    identity: str
    snapshot_due: SnapshotPolicy | None = None
    snapshot_version: int = 1
    executors: Mapping[type[Command[Any]], Method]
    appliers: Mapping[type[Event], Method]
    faults: tuple[str, ...] = ()

    def stream(self, identifier: object) -> str:
        """The name of the stream of one instance."""
        return f"{self.identity}-{identifier}"


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Aggregate:
    """A consistency boundary: one instance per identifier, empty at first, changed by events.

    Every field has a default, and may have any name.

    Class keywords:
        identity: prefixes the streams of its instances, `account-<identifier>`; the class name
            when left out.
        snapshot_every: store a snapshot of the state after so many events, or whenever a
            `SnapshotPolicy` says so; never when left out.
        snapshot_version: raise it when appliers make another state of the same events, so that
            older snapshots are not used. A change of the fields is noticed without it.
    """

    __chekov__: ClassVar[AggregateDefinition] = AggregateDefinition(
        identity="", executors={}, appliers={}
    )

    def __init_subclass__(
        cls,
        *,
        identity: str | None = None,
        snapshot_every: int | SnapshotPolicy | None = None,
        snapshot_version: int = 1,
        **kwargs: Any,
    ) -> None:
        refuse_unknown_keywords(cls, kwargs)
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        identity = cls.__name__ if identity is None else identity
        _check_identity(cls, identity, faults)
        make_state(cls, faults)
        methods = marked(cls, ("execute", "apply"), faults)
        executors = _executors(cls, methods, faults)
        appliers = _appliers(cls, methods, faults)
        _check_appliers(cls, executors, appliers, faults)
        cls.__chekov__ = AggregateDefinition(
            identity=identity,
            snapshot_due=_policy(cls, snapshot_every, faults),
            snapshot_version=snapshot_version,
            executors=executors,
            appliers=appliers,
            faults=tuple(faults),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHandlerDefinition:
    """What the methods of a command handler say.

    Attributes:
        preparers: command type → the method that sees it before its aggregate.
        faults: one sentence for each mistake in the class.
    """

    preparers: Mapping[type[Command[Any]], Method]
    faults: tuple[str, ...] = ()


class CommandHandler:
    """Sees commands before their aggregate does, and may do I/O.

    Its methods are marked `@prepare`, take the command and the aggregate's state, which they must
    not change, and return the command to execute: the same one or one with more in it, of the same
    type and for the same instance. They cannot load that or send commands to it. They refuse by
    raising `Rejected`. After a version conflict they are called again, so their outside
    effects must be repeatable.
    """

    __chekov__: ClassVar[CommandHandlerDefinition] = CommandHandlerDefinition(preparers={})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        refuse_unknown_keywords(cls, kwargs)
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        methods = marked(cls, ("prepare",), faults)
        for method in methods:
            _check_preparer(cls, method, faults)
        table = by_message(cls, methods, faults)
        cls.__chekov__ = CommandHandlerDefinition(
            preparers={kind: item for kind, item in table.items() if issubclass(kind, Command)},
            faults=tuple(faults),
        )


def _check_identity(cls: type[Aggregate], identity: str, faults: list[str]) -> None:
    longest = NAME_BYTES - UUID_BYTES - len("-")
    if not identity or "-" in identity or not identity.isprintable():
        faults.append(
            f"{cls.__qualname__}: identity {identity!r} must be printable, not empty and "
            "without '-', which separates it from the identifier"
        )
    elif identity.startswith(OWN):
        faults.append(
            f"{cls.__qualname__}: identity {identity!r} must not start with {OWN!r}, which begins "
            "the store's own streams"
        )
    elif len(identity.encode()) > longest:
        faults.append(
            f"{cls.__qualname__}: identity {identity[:60]!r}… has {len(identity.encode())} bytes; "
            f"{longest} leave room for a UUID in the stream's name"
        )


def _policy(
    cls: type[Aggregate], every: int | SnapshotPolicy | None, faults: list[str]
) -> SnapshotPolicy | None:
    if every is None or callable(every):
        return every
    if every < 1:
        faults.append(
            f"{cls.__qualname__}: snapshot_every {every} must be 1 or more, a function, or None"
        )
    return lambda _version, events, _seconds: events >= every


def _executors(
    cls: type[Aggregate], methods: tuple[Method, ...], faults: list[str]
) -> dict[type[Command[Any]], Method]:
    chosen = tuple(method for method in methods if method.role == "execute")
    for method in chosen:
        _check_executor(cls, method, faults)
    table = by_message(cls, chosen, faults)
    executors: dict[type[Command[Any]], Method] = {
        kind: method for kind, method in table.items() if issubclass(kind, Command)
    }
    for command, method in executors.items():
        _check_promise(cls, command, method, faults)
        if not isgeneratorfunction(method.function):
            executors[command] = replace(method, function=_returning(cls, method))
    return executors


def _returning(cls: type[Aggregate], method: Method) -> Callable[[Any, Any], Iterable[Event]]:
    """An executor without `yield`, which returns the events and may forget to."""

    @wraps(method.function)
    def executor(state: Aggregate, command: Command[Any]) -> Iterable[Event]:
        events = method.function(state, command)
        if isinstance(events, Iterable) and not isinstance(events, Event):
            return cast("Iterable[Event]", events)
        came = "None" if events is None else f"a value of type {type(events).__qualname__}"
        raise DefinitionError(
            f"{cls.__qualname__}.{method.name}",
            [f"it returned {came}: `yield` the events, or return a list of them"],
        )

    return executor


def _check_executor(cls: type[Aggregate], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if method.is_async:
        faults.append(
            f"{label} is async, but an executor is pure: do I/O in a CommandHandler instead"
        )
    _check_alone(label, method, "command", faults)
    check_messages(cls, method, Command, "takes", faults)
    if method.returns is type(None) or _is_event(method.returns):
        faults.append(
            f"{label} returns {getattr(method.returns, '__qualname__', None)}: "
            "`yield` the events and annotate it with Iterable[…]"
        )


def _check_promise(
    cls: type[Aggregate], command: type[Command[Any]], method: Method, faults: list[str]
) -> None:
    """Type checkers cannot compare what an executor yields with what its command promises."""
    promised = command.__chekov__.events
    for item in get_args(method.returns):
        faults.extend(
            f"{cls.__qualname__}.{method.name} yields {event.__qualname__}, but "
            f"{command.__qualname__} is not a Command of it: make both the same"
            for event in event_types(item)
            if promised and issubclass(event, Event) and event not in promised
        )


def _appliers(
    cls: type[Aggregate], methods: tuple[Method, ...], faults: list[str]
) -> dict[type[Event], Method]:
    chosen = tuple(method for method in methods if method.role == "apply")
    for method in chosen:
        label = f"{cls.__qualname__}.{method.name}"
        if method.is_async:
            faults.append(f"{label} is async, but an applier is pure")
        if isgeneratorfunction(method.function):
            faults.append(f"{label} yields, so it would never run: an applier changes the state")
        _check_alone(label, method, "event", faults)
        check_messages(cls, method, Event, "applies", faults)
    table = by_message(cls, chosen, faults)
    return {kind: method for kind, method in table.items() if issubclass(kind, Event)}


def _check_appliers(
    cls: type[Aggregate],
    executors: Mapping[type[Command[Any]], Method],
    appliers: Mapping[type[Event], Method],
    faults: list[str],
) -> None:
    if not executors and not appliers and not faults:
        faults.append(
            f"{cls.__qualname__} executes no command and applies no event: "
            "mark its methods @execute and @apply"
        )
    for command in executors:
        promised = command.__chekov__.events
        if not promised:
            faults.append(
                f"{command.__qualname__} does not say what it yields: "
                f"write `class {command.__qualname__}(Command[SomeEvent])`"
            )
        faults.extend(
            f"{command.__qualname__} yields {event.__qualname__}, which "
            f"{cls.__qualname__} does not apply: add an @apply method"
            for event in promised
            if event not in appliers
        )


def _check_preparer(cls: type[CommandHandler], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if not method.is_coroutine:
        faults.append(f"{label} must be written with `async def`")
    if len(method.parameters) != 2:
        faults.append(f"{label} takes the command and the aggregate's state, nothing else")
    check_messages(cls, method, Command, "takes", faults)


def _check_alone(label: str, method: Method, what: str, faults: list[str]) -> None:
    if any(item.required for item in method.parameters[1:]):
        faults.append(f"{label} takes the {what}, nothing else")


def _is_event(annotation: object) -> bool:
    kinds = event_types(annotation)
    return bool(kinds) and all(issubclass(kind, Event) for kind in kinds)
