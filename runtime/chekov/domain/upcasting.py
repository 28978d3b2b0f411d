"""Upcasters: turn events recorded under a former name into events that the domain has today."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from chekov.domain.definitions import definition_of
from chekov.domain.messages import Event
from chekov.errors import Undecodable

R_co = TypeVar("R_co", covariant=True)

Data: TypeAlias = dict[str, Any]
"""The content of an event as plain values, as JSON has them, whichever serializer stored it."""

Target: TypeAlias = str | type[Event]
"""The result of an upcaster: an event type, or a stored name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The attributes of a recorded event that no upcaster changes.

    Attributes:
        type: the stored name that it was recorded under.
        stream: the stream that it is read from.
        version: its place in the stream, from 1.
        position: its place among all events of the store, from 1.
        time: when it was stored.
        metadata: added by the caller of the command.
    """

    type: str
    stream: str
    version: int
    position: int
    time: datetime
    metadata: Mapping[str, Any]


class Upcaster(Generic[R_co]):
    """A function decorated with `upcast`; it can still be called as before.

    Attributes:
        source: the stored name whose content it takes.
        to: the possible results, as they were given to `upcast`.
        targets: the stored names of these.
        many: whether it returns any number of events.
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
    """Make a function the upcaster of events that were recorded under the stored name `source`.

    With one `to`, an event type or a stored name, the function is given the content and the origin
    of a recorded event and returns the content under the new name. With a tuple it returns, or
    yields, any number of pairs of one of its members and a content: several, or none, which drops
    the event. A target name may be the source of another upcaster.

    An upcaster is pure: it runs every time an event is read, and its result is not stored.
    """

    def decorate(function: Callable[[Data, Origin], Any]) -> Upcaster[Any]:
        return Upcaster(function, source, to)

    return decorate


class UpcasterChain:
    """The upcasters of a domain, one after the other."""

    def __init__(self, upcasters: Mapping[str, Upcaster[Any]]) -> None:
        self._upcasters = upcasters

    def __contains__(self, name: str) -> bool:
        """Whether events of this stored name are upcast."""
        return name in self._upcasters

    def __iter__(self) -> Iterator[str]:
        """The stored names that are upcast."""
        return iter(self._upcasters)

    def __len__(self) -> int:
        return len(self._upcasters)

    def results(self, name: str, data: Data, origin: Origin) -> Iterator[tuple[str, Data]]:
        """Current stored name and content of each event that a recorded one becomes.

        Raises:
            Undecodable: an upcaster raises, or returns a result of another form or name.
        """
        upcaster = self._upcasters.get(name)
        if upcaster is None:
            yield name, data
            return
        for target, content in _results(upcaster, data, origin):
            yield from self.results(target, content, origin)


def _results(upcaster: Upcaster[Any], data: Data, origin: Origin) -> Sequence[tuple[str, Data]]:
    try:
        result = upcaster.function(data, origin)
        # All of them before the next upcaster runs, so that an error is blamed on the right one.
        results: list[Any] = list(result) if upcaster.many else [(upcaster.to[0], result)]
    except Exception as error:
        raise _undecodable(upcaster, origin, f"raised {type(error).__name__}: {error}") from error
    return [_checked(upcaster, item, origin) for item in results]


def _checked(upcaster: Upcaster[Any], result: object, origin: Origin) -> tuple[str, Data]:
    target, content = _pair(result)
    if not isinstance(content, dict):
        # Only its type: the content may be personal, and errors are stored.
        got = f"a {type(result if upcaster.many else content).__name__}"
        wanted = "pairs of an event type or stored name and a dict" if upcaster.many else "a dict"
        raise _undecodable(upcaster, origin, f"returned {got}, expected {wanted}")
    name = _stored(target)
    if name not in upcaster.targets:
        raise _undecodable(upcaster, origin, f"leads to {name!r}, which its `to` does not name")
    return name, cast("Data", content)


def _pair(result: Any) -> tuple[object, object]:
    match result:
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
