"""Process managers, which answer events with commands and timers: long business transactions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar, cast, dataclass_transform

from chekov.domain.handler import EventHandler
from chekov.domain.identifiers import is_nameable
from chekov.domain.messages import Command, Event, event_types
from chekov.domain.methods import Method, by_message, check_messages, mark, marked
from chekov.domain.names import NAME_BYTES, is_name
from chekov.domain.states import make_state
from chekov.domain.timers import Schedule, Timer
from chekov.errors import ChekovError, DefinitionError, Rejected

M = TypeVar("M")
E = TypeVar("E", bound=Event)
C = TypeVar("C", bound=Command[Any])
T = TypeVar("T", bound=Timer)
R = TypeVar("R", bound="Iterable[Command[Any] | Schedule] | None")

By: TypeAlias = str | Callable[[Any], object]
"""Which instances an event is for: the field that names one, or a function of the event that
returns a name, several names, or `None` for none. A name is a `str`, an `int`, a `UUID`, a `date`
or a member of an `Enum`."""

_BY: Final = "__chekov_by__"
_ON_EVENTS: Final = ("start", "proceed", "finish")


class UnexpectedInput(ChekovError):
    """An event for an instance that has begun already, or has not, which `strict=True` refuses."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """How the events of a type reach instances.

    Attributes:
        method: what is called.
        by: an event → the name of its instance, several, or `None`.
        strict: whether an instance that exists, or is missing, is a failure.
    """

    method: Method
    by: Callable[[Any], object]
    strict: bool

    def instances(self, event: Event) -> tuple[str, ...]:
        """The names of the instances that an event is for, each once.

        Raises:
            ValueError: a name is empty, too long or of another type, or holds NUL.
        """
        found = self.by(event)
        if found is None:
            return ()
        several = isinstance(found, Iterable) and not isinstance(found, str | bytes)
        names = cast("Iterable[object]", found if several else (found,))
        return tuple(dict.fromkeys(_instance_name(name) for name in names))

    def concerns(self, name: str, *, begun: bool) -> bool:
        """Whether the method is called for an instance that has begun, or has not.

        Raises:
            UnexpectedInput: `strict` refuses that.
        """
        begins = self.method.role == "start"
        if self.strict and begun == begins:
            raise UnexpectedInput(
                f"{self.method.name}: {name!r} {'has begun already' if begun else 'has not begun'}"
            )
        return begun or begins


@dataclass(frozen=True, slots=True)
class _Marked:
    by: By
    strict: bool


def start(by: By, *, strict: bool = False) -> Callable[[Callable[[M, E], R]], Callable[[M, E], R]]:
    """Mark the method that is called with each event that begins an instance.

    Args:
        by: which instance, or instances, the event is for.
        strict: an event for an instance that has begun is a failure; otherwise it goes on.
    """
    return _marker("start", _Marked(by, strict))


def proceed(
    by: By, *, strict: bool = False
) -> Callable[[Callable[[M, E], R]], Callable[[M, E], R]]:
    """Mark the method that is called with each event that an instance goes on with.

    Args:
        by: which instance, or instances, the event is for.
        strict: an event for an instance that has not begun is a failure; otherwise it is ignored.
    """
    return _marker("proceed", _Marked(by, strict))


def finish(by: By) -> Callable[[Callable[[M, E], R]], Callable[[M, E], R]]:
    """Mark the method that is called with each event that ends an instance.

    The instance is gone afterwards, and its timers with it; commands that it sent stay sent.
    """
    return _marker("finish", _Marked(by, strict=False))


def rejected(method: Callable[[M, C, Rejected], R]) -> Callable[[M, C, Rejected], R]:
    """Mark the method that is called with each command of its parameter's type that was refused."""
    return mark("rejected", method)


def expired(method: Callable[[M, T], R]) -> Callable[[M, T], R]:
    """Mark the method that is called with each timer of its parameter's type that is due."""
    return mark("expired", method)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessDefinition:
    """What the methods of a process manager say, beyond its `HandlerDefinition`.

    Attributes:
        reactions: event type → what it leads to.
        rejections: command type → the method for its refusal.
        expirations: timer type → the method for its expiry.
        commands: the command types that its methods name.
    """

    reactions: Mapping[type[Event], Reaction]
    rejections: Mapping[type[Command[Any]], Method]
    expirations: Mapping[type[Timer], Method]
    commands: frozenset[type[Command[Any]]]


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class ProcessManager(EventHandler):
    """Leads each of its instances, named by its events, through several steps.

    Its fields are the state of one instance, and have defaults. Its methods, marked `@start`,
    `@proceed`, `@finish`, `@rejected` and `@expired`, are pure: they change the state, and yield
    commands and timers. State, commands and timers are stored together with the progress in the
    log; each command is then executed once. The fields of the object that is registered with the
    domain are not used.

    Class keywords are those of `EventHandler`; `start_from` is `"now"` when it is left out, since
    it would send commands for all of history otherwise.

    Raises:
        DefinitionError: a field has no default; every other fault is raised by the domain.
    """

    __process__: ClassVar[ProcessDefinition] = ProcessDefinition(
        reactions={}, rejections={}, expirations={}, commands=frozenset()
    )
    __roles__ = (*_ON_EVENTS, "rejected", "expired")
    __most_partitions__ = 1
    __start_from__ = "now"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        make_state(cls, faults)
        if faults:  # at once: the domain is given an object, which could not be made
            raise DefinitionError(cls.__qualname__, faults)
        faults += cls.__chekov__.faults
        methods = marked(cls, cls.__roles__, [])  # its faults are among those already
        for method in methods:
            _check_method(cls, method, faults)
        table = by_message(cls, methods, faults)
        reactions = {
            kind: reaction
            for kind, method in table.items()
            if issubclass(kind, Event) and (reaction := _reaction(cls, kind, method, faults))
        }
        expirations = {kind: item for kind, item in table.items() if issubclass(kind, Timer)}
        _check_timer_names(cls, expirations, faults)
        if not faults and not any(item.method.role == "start" for item in reactions.values()):
            faults.append(f"{cls.__qualname__} never begins: add a method marked @start(by=…)")
        handlers = {kind: reaction.method for kind, reaction in reactions.items()}
        cls.__chekov__ = replace(cls.__chekov__, handlers=handlers, faults=tuple(faults))
        cls.__process__ = ProcessDefinition(
            reactions=reactions,
            rejections={kind: item for kind, item in table.items() if issubclass(kind, Command)},
            expirations=expirations,
            commands=frozenset(_commands(methods)),
        )


Role: TypeAlias = Literal["start", "proceed", "finish", "rejected", "expired"]


def _marker(role: Role, by: _Marked) -> Callable[[Callable[[M, E], R]], Callable[[M, E], R]]:
    def decorate(method: Callable[[M, E], R]) -> Callable[[M, E], R]:
        setattr(method, _BY, by)
        return mark(role, method)

    return decorate


def _check_method(cls: type[ProcessManager], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if method.is_async:
        faults.append(
            f"{label} is async, but a process manager is pure: yield a command, or do I/O in an "
            "EventHandler"
        )
    parameters = 2 if method.role == "rejected" else 1
    required = [item for item in method.parameters if item.required]
    if len(required) > parameters or len(method.parameters) < parameters:
        takes = "the command and the reason" if parameters == 2 else "its message, nothing else"
        faults.append(f"{label} takes {takes}")
    elif parameters == 2 and method.parameters[1].annotation is not Rejected:
        faults.append(f"{label}: annotate its second parameter with Rejected")
    kind = {"rejected": Command, "expired": Timer}.get(method.role, Event)
    check_messages(cls, method, kind, f"is marked @{method.role} and takes", faults)


def _reaction(
    cls: type[ProcessManager], kind: type[Event], method: Method, faults: list[str]
) -> Reaction | None:
    label = f"{cls.__qualname__}.{method.name}"
    marks: _Marked | None = getattr(method.function, _BY, None)
    if method.role not in _ON_EVENTS or marks is None:
        return None
    by = marks.by
    if callable(by):
        return Reaction(method, by, marks.strict)
    if by not in {item.name for item in fields(cast("Any", kind))}:
        faults.append(f"{label}: {kind.__qualname__} has no field {by!r} to find its instance by")
        return None
    return Reaction(method, attrgetter(by), marks.strict)


def _check_timer_names(
    cls: type[ProcessManager], expirations: Iterable[type[Timer]], faults: list[str]
) -> None:
    seen: dict[str, type[Timer]] = {}
    for kind in expirations:
        name = kind.__chekov__.name
        other = seen.setdefault(name, kind)
        if other is not kind:
            faults.append(
                f"{cls.__qualname__} has two timers called {name!r}, {other.__qualname__} and "
                f"{kind.__qualname__}: give one a name="
            )
        if not is_name(name) or name.startswith("$"):
            faults.append(
                f"{kind.__qualname__}: name {name[:60]!r} must have 1 to {NAME_BYTES} bytes of "
                "UTF-8, without NUL and without '$' at the start"
            )


def _commands(methods: Iterable[Method]) -> Iterable[type[Command[Any]]]:
    """The command types that annotations name: what is refused, and what is returned."""
    for method in methods:
        for kind in (*method.messages, *_returned(method.returns)):
            if issubclass(kind, Command) and kind is not Command:
                yield kind


def _returned(annotation: Any) -> Iterable[type]:
    for item in getattr(annotation, "__args__", ()):
        yield from event_types(item)


def _instance_name(name: object) -> str:
    if not is_nameable(name):
        raise ValueError(
            f"{name!r:.80} of type {type(name).__qualname__} cannot name an instance of a process "
            "manager: expected str, int, UUID, date, or an Enum"
        )
    text = str(name)
    if not is_name(text):
        raise ValueError(
            f"{name!r:.80} cannot name an instance of a process manager: a name has 1 to "
            f"{NAME_BYTES} bytes of UTF-8, without NUL"
        )
    return text


def check_commands(
    manager: ProcessManager, known: Iterable[type[Command[Any]]], faults: list[str]
) -> None:
    """Refuse a process manager that names commands which no aggregate executes."""
    unknown = manager.__process__.commands.difference(known)
    faults.extend(
        f"{type(manager).__qualname__} sends {kind.__qualname__}, which no aggregate executes"
        for kind in sorted(unknown, key=lambda kind: kind.__qualname__)
    )


def react(
    kind: type[ProcessManager], method: Method, state: object, *arguments: object
) -> list[Command[Any] | Schedule]:
    """Call a method on the state of an instance, and return what it yields.

    Raises:
        DefinitionError: it yields something else than commands and schedules, or a timer that no
            method takes.
        Exception: what the method raises.
    """
    label = f"{kind.__qualname__}.{method.name}"
    answer = method.function(state, *arguments)
    if answer is None:
        return []
    if not isinstance(answer, Iterable):
        fault = (
            f"it returned a value of type {type(answer).__qualname__}: `yield` commands and "
            "schedules, or return a list of them"
        )
        raise DefinitionError(label, [fault])
    return [_checked(kind, label, item) for item in cast("Iterable[object]", answer)]


def _checked(kind: type[ProcessManager], label: str, item: object) -> Command[Any] | Schedule:
    if isinstance(item, Command):
        return cast("Command[Any]", item)
    if not isinstance(item, Schedule):
        hint = ": give it a time, as `.after(…)`" if isinstance(item, Timer) else ""
        fault = f"it yielded {item!r:.80}, which is neither a command nor a schedule{hint}"
        raise DefinitionError(label, [fault])
    subject = item.subject
    timer = subject if isinstance(subject, type) else type(subject)
    if issubclass(timer, Timer) and timer not in kind.__process__.expirations:
        fault = f"it yielded {timer.__qualname__}, which no method marked @expired takes"
        raise DefinitionError(label, [fault])
    return item
