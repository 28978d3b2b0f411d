"""Upcasters: what was recorded under a former name, turned into what the domain knows today."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from chekov.domain.definitions import definition_of
from chekov.domain.messages import Event
from chekov.errors import Undecodable

R_co = TypeVar("R_co", covariant=True)

Data: TypeAlias = dict[str, Any]
"""The content of an event as plain values, as JSON has them, whatever it was stored as."""

Target: TypeAlias = str | type[Event]
"""What an upcaster leads to: an event type, or a stored name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The facts about a recorded event that no upcaster changes.

    Attributes:
        type: the stored name that it was recorded under.
        stream: the stream that it is read from.
        version: its place in the stream, from 1.
        position: its place among all events of the store, from 1.
        time: when it was stored.
        metadata: what the caller added.
    """

    type: str
    stream: str
    version: int
    position: int
    time: datetime
    metadata: Mapping[str, Any]


class Upcaster(Generic[R_co]):
    """A function that `upcast` made an upcaster; it can still be called as what it was.

    Attributes:
        source: the stored name whose content it takes.
        to: what it may lead to, as it was said.
        targets: the stored names of these.
        many: whether it answers with any number of events.
        function: what it calls.
    """

    def __init__(
        self,
        function: Callable[[Data, Origin], R_co],
        source: str,
        to: Target | tuple[Target, ...],
    ) -> None:
        self.function = function
        self.source = source
        self.many = isinstance(to, tuple)
        self.to: tuple[Target, ...] = to if isinstance(to, tuple) else (to,)
        self.targets = tuple(map(_stored, self.to))

    def __call__(self, data: Data, origin: Origin) -> R_co:
        """What the function makes of `data`."""
        return self.function(data, origin)

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", repr(self.function))
        return f"upcaster {name} of {self.source!r}"


@overload
def upcast(
    source: str, /, *, to: tuple[Target, ...]
) -> Callable[
    [Callable[[Data, Origin], Iterable[tuple[Target, Data]]]],
    Upcaster[Iterable[tuple[Target, Data]]],
]: ...
@overload
def upcast(
    source: str, /, *, to: Target
) -> Callable[[Callable[[Data, Origin], Data]], Upcaster[Data]]: ...
def upcast(source: str, /, *, to: Target | tuple[Target, ...]) -> Callable[[Any], Upcaster[Any]]:
    """Make a function the upcaster of what was recorded under the stored name `source`.

    With one `to`, an event type or a stored name, the function is given the content and the facts
    of a recorded event and returns the content under the other name. With a tuple it returns, or
    yields, any number of pairs of one of these and a content: several, or none, which drops the
    event. A name that it leads to may be the source of another upcaster.

    An upcaster is pure: it sees an event every time it is read, and nothing of it is stored.
    """

    def made(function: Callable[[Data, Origin], Any]) -> Upcaster[Any]:
        return Upcaster(function, source, to)

    return made


class Upcasting:
    """The upcasters of a domain, one after the other."""

    def __init__(self, upcasters: Mapping[str, Upcaster[Any]]) -> None:
        self._upcasters = upcasters

    def __contains__(self, name: str) -> bool:
        """Whether events of this stored name are upcast."""
        return name in self._upcasters

    def __len__(self) -> int:
        return len(self._upcasters)

    def results(self, name: str, data: Data, origin: Origin) -> Iterator[tuple[str, Data]]:
        """Stored name of today and content of each event that a recorded one becomes.

        Raises:
            Undecodable: an upcaster raises, or answers what it did not promise.
        """
        upcaster = self._upcasters.get(name)
        if upcaster is None:
            yield name, data
            return
        for target, content in _answers(upcaster, data, origin):
            yield from self.results(target, content, origin)


def _answers(upcaster: Upcaster[Any], data: Data, origin: Origin) -> Sequence[tuple[str, Data]]:
    try:
        answer = upcaster.function(data, origin)
        # All of them before the first goes on: what fails behind it is another upcaster's failure.
        answers: list[Any] = list(answer) if upcaster.many else [(upcaster.to[0], answer)]
    except Exception as error:
        raise _undecodable(upcaster, origin, f"raised {type(error).__name__}: {error}") from error
    return [_checked(upcaster, item, origin) for item in answers]


def _checked(upcaster: Upcaster[Any], answer: object, origin: Origin) -> tuple[str, Data]:
    target, content = _pair(answer)
    if not isinstance(content, dict):
        # Its type alone: the content may be personal, and errors are kept.
        got = f"a {type(answer if upcaster.many else content).__name__}"
        wanted = "pairs of what it leads to and a dict" if upcaster.many else "a dict"
        raise _undecodable(upcaster, origin, f"answered {got}, expected {wanted}")
    name = _stored(target)
    if name not in upcaster.targets:
        raise _undecodable(upcaster, origin, f"leads to {name!r}, which its `to` does not name")
    return name, cast("Data", content)


def _pair(answer: Any) -> tuple[object, object]:
    match answer:
        case (target, content):
            return target, content
        case _:
            return None, None


def _undecodable(upcaster: Upcaster[Any], origin: Origin, what: str) -> Undecodable:
    return Undecodable(origin.type, origin.stream, origin.version, f"the {upcaster} {what}")


def _stored(target: object) -> str:
    if isinstance(target, type) and issubclass(target, Event):
        return definition_of(target).name
    return f"{target}"
