"""Aggregates: a state that commands ask and events change."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
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

from chekov.domain.messages import Command, Event, event_types, yielded_events
from chekov.domain.methods import Method, by_message, mark, marked

A = TypeVar("A")
C = TypeVar("C", bound=Command[Any])
E = TypeVar("E", bound=Event)
P = ParamSpec("P")

Executor = Callable[[Any, Command[Any]], Iterable[Event]]
Applier = Callable[[Any, Event], None]

SnapshotPolicy: TypeAlias = Callable[[int, int, float], bool]
"""Whether a snapshot is due, by the stream's version, the number of events since the last snapshot
and the seconds that it took to make the state of its events; 0.0 when this process did not."""


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
    """Mark the method of a `CommandHandler` that looks at a command before its aggregate does."""
    return mark("prepare", method)


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class Aggregate:
    """A consistency boundary: one instance per identifier, empty at first, changed by events.

    Every field has a default.

    Class keywords:
        identity: prefixes the streams of its instances, `account-<identifier>`; the class name
            when left out.
        snapshot_every: keep the state in the store after so many events, or whenever a
            `SnapshotPolicy` says so; never when left out.
        snapshot_version: to be raised when appliers make another state of the same events, so that
            snapshots from before are not used. A change of the fields is noticed without it.
    """

    identity: ClassVar[str] = ""
    snapshot_due: ClassVar[SnapshotPolicy | None] = None
    snapshot_version: ClassVar[int] = 1
    executors: ClassVar[dict[type[Command[Any]], Method]] = {}
    appliers: ClassVar[dict[type[Event], Method]] = {}
    faults: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls,
        *,
        identity: str | None = None,
        snapshot_every: int | SnapshotPolicy | None = None,
        snapshot_version: int = 1,
        **kwargs: Any,
    ) -> None:
        """Make the subclass a dataclass and collect its executors and appliers."""
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        cls.identity = cls.__name__ if identity is None else identity
        cls.snapshot_due = _policy(cls, snapshot_every, faults)
        cls.snapshot_version = snapshot_version
        _check_identity(cls, faults)
        _check_defaults(cls, faults)
        methods = marked(cls, faults)
        cls.executors = _executors(cls, methods, faults)
        cls.appliers = _appliers(cls, methods, faults)
        cls.faults = tuple(faults)

    @classmethod
    def stream(cls, identifier: object) -> str:
        """The name of the stream of one instance."""
        return f"{cls.identity}-{identifier}"


class CommandHandler:
    """Looks at commands before their aggregate does, and may do I/O.

    Its methods are marked `@prepare`, take the command and the aggregate's state, which they must
    not change, and return the command to execute: the same one or one with more in it. They
    refuse by raising `Rejected`. After a version conflict they are called again, so what they do
    outside must bear repeating.
    """

    preparers: ClassVar[dict[type[Command[Any]], Method]] = {}
    faults: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the methods marked `@prepare`."""
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        methods = tuple(method for method in marked(cls, faults) if method.role == "prepare")
        for method in methods:
            _check_preparer(cls, method, faults)
        table = by_message(cls, methods, faults)
        cls.preparers = {
            kind: method for kind, method in table.items() if issubclass(kind, Command)
        }
        cls.faults = tuple(faults)


def _check_identity(cls: type[Aggregate], faults: list[str]) -> None:
    if not cls.identity or "-" in cls.identity or not cls.identity.isprintable():
        faults.append(
            f"{cls.__qualname__}: identity {cls.identity!r} must be printable, not empty and "
            "without '-', which separates it from the identifier"
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


def _check_defaults(cls: type[Aggregate], faults: list[str]) -> None:
    try:
        dataclass(kw_only=True)(cls)
    except (TypeError, ValueError) as error:
        faults.append(f"{cls.__qualname__}: {error}")
        return
    faults.extend(
        f"{cls.__qualname__}.{item.name} needs a default: an instance is empty before its events"
        for item in fields(cast("Any", cls))
        if item.default is MISSING and item.default_factory is MISSING
    )


def _executors(
    cls: type[Aggregate], methods: tuple[Method, ...], faults: list[str]
) -> dict[type[Command[Any]], Method]:
    chosen = tuple(method for method in methods if method.role == "execute")
    for method in chosen:
        if method.is_async:
            faults.append(
                f"{cls.__qualname__}.{method.name} is async: an executor is pure; do I/O in a "
                "CommandHandler"
            )
        faults.extend(
            f"{cls.__qualname__}.{method.name} takes {message.__qualname__}, which is no Command"
            for message in method.messages
            if not issubclass(message, Command)
        )
    table = by_message(cls, chosen, faults)
    executors: dict[type[Command[Any]], Method] = {
        kind: method for kind, method in table.items() if issubclass(kind, Command)
    }
    for command, method in executors.items():
        faults.extend(_broken_promises(cls, command, method))
    return executors


def _broken_promises(
    cls: type[Aggregate], command: type[Command[Any]], method: Method
) -> Iterable[str]:
    """Checkers cannot compare what an executor says it yields with what its command says."""
    promised = yielded_events(command)
    for item in get_args(method.returns):
        for event in event_types(item):
            if promised and issubclass(event, Event) and event not in promised:
                yield (
                    f"{cls.__qualname__}.{method.name} yields {event.__qualname__}, but "
                    f"{command.__qualname__} is not a Command of it: make both the same"
                )


def _appliers(
    cls: type[Aggregate], methods: tuple[Method, ...], faults: list[str]
) -> dict[type[Event], Method]:
    chosen = tuple(method for method in methods if method.role == "apply")
    for method in chosen:
        if method.is_async:
            faults.append(f"{cls.__qualname__}.{method.name} is async: an applier is pure")
        faults.extend(
            f"{cls.__qualname__}.{method.name} applies {message.__qualname__}, which is no Event"
            for message in method.messages
            if not issubclass(message, Event)
        )
    table = by_message(cls, chosen, faults)
    return {kind: method for kind, method in table.items() if issubclass(kind, Event)}


def _check_preparer(cls: type[CommandHandler], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if not method.is_async:
        faults.append(f"{label} must be written with `async def`")
    two = 2
    if len(method.parameters) != two:
        faults.append(f"{label} takes the command and the aggregate's state, nothing else")
    faults.extend(
        f"{label} takes {message.__qualname__}, which is no Command"
        for message in method.messages
        if not issubclass(message, Command)
    )


def missing_appliers(aggregate: type[Aggregate]) -> list[str]:
    """A sentence for each event that a command of `aggregate` may yield and nothing applies."""
    faults: list[str] = []
    for command in aggregate.executors:
        promised = yielded_events(command)
        if not promised:
            faults.append(
                f"{command.__qualname__} does not say what it yields: "
                f"write `class {command.__qualname__}(Command[SomeEvent])`"
            )
        faults.extend(
            f"{command.__qualname__} yields {event.__qualname__}, which "
            f"{aggregate.__qualname__} does not apply: add an @apply method"
            for event in promised
            if event not in aggregate.appliers
        )
    return faults
