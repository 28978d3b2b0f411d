"""Writes a given-when-then test of an instance from the events that are stored for it.

Commands are not stored, so the command is looked for: one of the aggregate's that, with values from
its events, yields exactly these. If there is none, the test says what the events make of the state.
"""

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from itertools import islice, product
from typing import Any, Final, NamedTuple, cast

from chekov.domain.aggregate import Aggregate
from chekov.domain.boundary import Boundary
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event
from chekov.domain.principal import Principal
from chekov.engine.commands.execution import COMMAND, PRINCIPAL
from chekov.errors import HistoryTruncated, InvalidArgument, StreamNotFound, WrongExpectedVersion
from chekov.serialization.codec import Codec, decode_metadata
from chekov.serialization.contents import AnyContents
from chekov.store.port import RecordedEvent
from chekov.testing.python_source import PythonSource
from chekov.testing.spec import Spec

_FIRST: Final = 1
_MOST_TRIES: Final = 1000


class _Found(NamedTuple):
    """A command that yields the events, and whether its executor takes a context."""

    command: Command[Any]
    takes_context: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """What a test is written about.

    Attributes:
        aggregate: the class of the instance.
        identifier: of the instance.
        given: the events before.
        then: those of the command.
        time: when they were stored.
        principal: on whose behalf, if that is recorded.
        name: of the command, if it is recorded.
    """

    aggregate: type[Aggregate]
    identifier: object
    given: Sequence[Event]
    then: Sequence[Event]
    time: datetime
    principal: Principal | None
    name: str | None

    def spec(self) -> Spec[Aggregate]:
        spec = Spec(self.aggregate).given(*self.given).at(self.time)
        return spec if self.principal is None else spec.by(self.principal)


async def history_until(
    events: AsyncIterable[RecordedEvent], version: int
) -> Sequence[RecordedEvent]:
    """The events of a stream up to those of the command that stored a version.

    Args:
        events: of the stream, by version.
        version: of one event of the command.
    """
    history: list[RecordedEvent] = []
    stored: RecordedEvent | None = None
    async for event in events:
        if event.version > version and (stored is None or not _together(event, stored)):
            break
        if event.version == version:
            stored = event
        history.append(event)
    return history


def write_spec(domain: Domain, stream: str, history: Sequence[RecordedEvent], version: int) -> str:
    """A test module in Python about the command that stored an event.

    Args:
        domain: whose stream it is.
        stream: of the instance.
        history: its events as they are stored, from the first to those of the command. Personal
            data that is sealed becomes `FORGOTTEN`.
        version: of one event of the command.

    Raises:
        StreamNotFound: there is no event.
        WrongExpectedVersion: there is no such version.
        HistoryTruncated: the first events are gone.
        InvalidArgument: the stream is not of an aggregate of the domain, or a value cannot be
            written in Python.
        Undecodable: an event cannot be read.
    """
    case = _case(domain, stream, history, version)
    source = PythonSource()
    found = _command(domain, case)
    body = list(_given_state(source, case) if found is None else _given_when(source, case, found))
    name = definition_of(case.aggregate).identity.replace("-", "_")
    lines = [
        f'"""{stream}@{version}, as it was stored."""'.replace("\\", "\\\\"),
        "",
        *source.imports(("chekov.testing", "Spec")),
        "",
        "",
        f"def test_{name}_at_version_{version}() -> None:",
        *(f"    {line}" if line else "" for line in body),
    ]
    return "\n".join(lines) + "\n"


def _case(domain: Domain, stream: str, history: Sequence[RecordedEvent], version: int) -> _Case:
    if not history:
        raise StreamNotFound(stream)
    if history[0].version > _FIRST:
        raise HistoryTruncated(stream, history[0].version)
    if not _FIRST <= version <= history[-1].version:
        raise WrongExpectedVersion(stream, version, history[-1].version)
    stored = history[version - _FIRST]
    first, last = version, version
    while first > _FIRST and _together(history[first - _FIRST - 1], stored):
        first -= 1
    while last < len(history) and _together(history[last], stored):
        last += 1
    codec = Codec(domain)
    metadata = decode_metadata(stored.metadata)
    subject = metadata.get(PRINCIPAL)
    return _Case(
        _aggregate(domain, stream),
        domain.identifier_in(stream),
        _decoded(domain, codec, history[: first - 1]),
        _decoded(domain, codec, history[first - 1 : last]),
        stored.time,
        Principal(subject) if isinstance(subject, str) else None,
        metadata.get(COMMAND),
    )


def _together(one: RecordedEvent, other: RecordedEvent) -> bool:
    return one.causation_id is not None and one.causation_id == other.causation_id


def _aggregate(domain: Domain, stream: str) -> type[Aggregate]:
    prefixes = {definition_of(item).stream(""): item for item in domain.aggregates}
    fitting = [prefix for prefix in prefixes if stream.startswith(prefix)]
    if not fitting:
        raise InvalidArgument(f"stream {stream!r} is of no aggregate of the domain {domain.name!r}")
    aggregate = prefixes[max(fitting, key=len)]
    if issubclass(aggregate, Boundary):
        raise InvalidArgument(
            f"{aggregate.__qualname__} is a boundary: its decisions depend on other streams"
        )
    return aggregate


def _decoded(domain: Domain, codec: Codec, stored: Iterable[RecordedEvent]) -> Sequence[Event]:
    forgotten = AnyContents(domain.serializer).forgotten
    return [
        event
        for item in stored
        for event in codec.decode_all(item._replace(data=forgotten(item.data)))
    ]


def _command(domain: Domain, case: _Case) -> _Found | None:
    executors = definition_of(case.aggregate).executors
    for kind, method in executors.items():
        if case.name not in (None, definition_of(kind).name):
            continue
        for command in _guesses(domain, kind, case):
            # The domain's code may raise anything about it.
            with suppress(Exception):
                if list(case.spec().when(command)) == list(case.then):
                    return _Found(command, method.context_place is not None)
    return None


def _guesses(domain: Domain, kind: type[Command[Any]], case: _Case) -> Iterator[Command[Any]]:
    """Commands of one type with values of the events: those of the same name, or else any."""
    named: dict[str, Any] = {}
    for event in reversed(case.then):
        named.update(_values(event))
    choices: dict[str, Sequence[Any]] = {}
    for item in fields(cast("Any", kind)):
        if item.name == domain.identifier_of(kind):
            choices[item.name] = [case.identifier]
        elif item.name in named:
            choices[item.name] = [named[item.name]]
        elif item.default is MISSING and item.default_factory is MISSING:
            choices[item.name] = list(named.values())
    for values in islice(product(*choices.values()), _MOST_TRIES):
        with suppress(Exception):  # it may check its values
            yield kind(**dict(zip(choices, values, strict=True)))


def _values(event: Event) -> Mapping[str, Any]:
    return {item.name: getattr(event, item.name) for item in fields(cast("Any", event))}


def _given_when(source: PythonSource, case: _Case, found: _Found) -> Iterator[str]:
    spec = _given(source, case.aggregate, case.given)
    if found.takes_context:
        spec[-1] += f".at({source.value(case.time)})"
        if case.principal is not None:
            spec[-1] += f".by({source.value(case.principal)})"
    yield from spec
    yield f"assert spec.when({source.value(found.command)}) == ["
    yield from (f"    {source.value(event)}," for event in case.then)
    yield "]"


def _given_state(source: PythonSource, case: _Case) -> Iterator[str]:
    yield "# No command with values of its events yields exactly these, so this is their state."
    events = [*case.given, *case.then]
    yield from _given(source, case.aggregate, events)
    yield f"assert spec.state == {source.value(Spec(case.aggregate).given(*events).state)}"


def _given(source: PythonSource, aggregate: type[Aggregate], events: Sequence[Event]) -> list[str]:
    spec = f"spec = Spec({source.name(aggregate)})"
    if not events:
        return [spec]
    return [f"{spec}.given(", *(f"    {source.value(event)}," for event in events), ")"]
