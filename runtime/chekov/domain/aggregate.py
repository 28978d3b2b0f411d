"""Aggregates: a state that commands read and events change."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from dis import get_instructions
from functools import wraps
from inspect import isasyncgenfunction, isgeneratorfunction
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
R = TypeVar("R", bound=Iterable[Event] | Awaitable[Iterable[Event]] | AsyncIterable[Event])

SnapshotPolicy: TypeAlias = Callable[[int, int, float], bool]
"""Whether a snapshot is due, by the stream's version, the number of events since the last snapshot
and the seconds that rehydration took; 0.0 when this process has not rehydrated the state."""


def execute(method: Callable[Concatenate[A, C, P], R]) -> Callable[Concatenate[A, C, P], R]:
    """Mark the method of an aggregate or a `CommandHandler` that decides about a command.

    It reads the state and yields events, or returns them. In an aggregate it must be pure. It
    refuses by raising `Rejected`, and changes nothing by yielding nothing. It may take a
    `CommandContext` as its last parameter.
    """
    return mark("execute", method)


def apply(method: Callable[[A, E], None]) -> Callable[[A, E], None]:
    """Mark the method that changes the state by an event: the only place where it changes."""
    return mark("apply", method)


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateDefinition:
    """What the class statement and the methods of an aggregate say.

    Attributes:
        identity: prefixes the streams of its instances.
        snapshot_due: its snapshot policy; `None` when it has no snapshots.
        snapshot_version: raised by the author when older snapshots must not be used.
        idle: how long an unused instance stays in memory; `None` for what the process says.
        cache: how many instances a process holds in memory at most, if that is bounded.
        executors: command type → the method that executes it.
        appliers: event type → the method that applies it.
        faults: one sentence for each mistake in the class.
    """

    identity: str
    snapshot_due: SnapshotPolicy | None = None
    snapshot_version: int = 1
    idle: timedelta | None = None
    cache: int | None = None
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
        idle: drop an instance from memory when it was not used for so long; what the process says
            when left out. Its next command reads it again.
        cache: hold at most so many instances in the memory of a process, those used last.
    """

    __chekov__: ClassVar[AggregateDefinition] = AggregateDefinition(
        identity="", executors={}, appliers={}
    )
    __roles__: ClassVar[tuple[str, ...]] = ("execute", "apply")

    def __init_subclass__(
        cls,
        *,
        identity: str | None = None,
        snapshot_every: int | SnapshotPolicy | None = None,
        snapshot_version: int = 1,
        idle: timedelta | None = None,
        cache: int | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown_keywords(cls, kwargs)
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        identity = cls.__name__ if identity is None else identity
        _check_identity(cls, identity, faults)
        _check_lifespan(cls, idle, cache, faults)
        make_state(cls, faults)
        methods = marked(cls, cls.__roles__, faults)
        executors = _executors(cls, methods, faults)
        appliers = _appliers(cls, methods, faults)
        _check_appliers(cls, executors, appliers, faults)
        cls.__chekov__ = AggregateDefinition(
            identity=identity,
            snapshot_due=_policy(cls, snapshot_every, faults),
            snapshot_version=snapshot_version,
            idle=idle,
            cache=cache,
            executors=executors,
            appliers=appliers,
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


def _check_lifespan(cls: type[Aggregate], idle: object, cache: object, faults: list[str]) -> None:
    if idle is not None and (not isinstance(idle, timedelta) or idle <= timedelta(0)):
        faults.append(f"{cls.__qualname__}: idle={idle!r} must be a timedelta above 0, or None")
    if cache is not None and (type(cache) is not int or cache < 1):
        faults.append(f"{cls.__qualname__}: cache={cache!r} must be 1 or more, or None")


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
        check_promise(cls, command, method, faults)
        if not isgeneratorfunction(method.function):
            executors[command] = replace(method, function=_returning(cls, method))
    return executors


def _returning(cls: type[Aggregate], method: Method) -> Callable[..., Iterable[Event]]:
    """An executor without `yield`, which returns the events and may forget to."""

    @wraps(method.function)
    def executor(state: Aggregate, *given: Any) -> Iterable[Event]:
        return returned_events(f"{cls.__qualname__}.{method.name}", method.function(state, *given))

    return executor


def returned_events(label: str, events: object) -> Iterable[Event]:
    """Accept what an executor without `yield` returned.

    Raises:
        DefinitionError: that is not a collection of events.
    """
    if isinstance(events, Iterable) and not isinstance(events, Event):
        return cast("Iterable[Event]", events)
    came = "None" if events is None else f"a value of type {type(events).__qualname__}"
    raise DefinitionError(
        label, [f"it returned {came}: `yield` the events, or return a list of them"]
    )


def _check_executor(cls: type[Aggregate], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if method.is_async:
        faults.append(
            f"{label} is async, but an executor is pure: do I/O in a CommandHandler instead"
        )
    check_parameters(label, method, 1, "the command", faults)
    check_messages(cls, method, Command, "takes", faults)
    check_yields(label, method, faults)
    if method.returns is type(None) or _is_event(method.returns):
        faults.append(
            f"{label} returns {getattr(method.returns, '__qualname__', None)}: "
            "`yield` the events and annotate it with Iterable[…]"
        )


def check_yields(label: str, method: Method, faults: list[str]) -> None:
    """Refuse an executor without `yield` that returns nothing either."""
    function = method.function
    if isgeneratorfunction(function) or isasyncgenfunction(function):
        return
    returned: set[object] = set()
    before = None
    for instruction in get_instructions(function):
        if instruction.opname == "RETURN_CONST":
            returned.add(instruction.argval)
        elif instruction.opname == "RETURN_VALUE":
            constant = before is not None and before.opname == "LOAD_CONST"
            returned.add(before.argval if constant and before is not None else ...)
        before = instruction
    if returned == {None}:
        faults.append(
            f"{label} yields no event, and returns none: did you forget `yield`? One that decides "
            "on nothing returns an empty list"
        )


def check_promise(
    cls: type, command: type[Command[Any]], method: Method, faults: list[str]
) -> None:
    """Compare what an executor yields with what its command promises: type checkers cannot."""
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
        if any(item.required for item in method.parameters[1:]):
            faults.append(f"{label} takes the event, nothing else")
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
        check_applied(cls, command, appliers, faults)


def check_applied(
    cls: type[Aggregate],
    command: type[Command[Any]],
    appliers: Mapping[type[Event], Method],
    faults: list[str],
) -> None:
    """Refuse a command that promises no event, or one that its aggregate does not apply."""
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


def check_parameters(label: str, method: Method, place: int, what: str, faults: list[str]) -> None:
    """Refuse parameters of an executor other than `what` and a `CommandContext` at `place`."""
    given = method.context_place
    further = [item for at, item in enumerate(method.parameters) if at >= place and at != given]
    misplaced = given is not None and (given != place or method.parameters[given].keyword_only)
    if misplaced or any(item.required for item in further):
        faults.append(
            f"{label} takes {what} and, if it wants, a CommandContext as its next positional "
            "parameter, nothing else"
        )


def _is_event(annotation: object) -> bool:
    kinds = event_types(annotation)
    return bool(kinds) and all(issubclass(kind, Event) for kind in kinds)
