"""What a run under faults leaves behind, and whether it is what was promised.

The nodes note each event that a handler is given and each command that a process manager sends,
the clients what was acknowledged to them; the rest is what the database holds in the end.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from chekov.store.port import RecordedEvent
from chekov.testing.history import HistoryError, order

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

Question: TypeAlias = tuple[str, int]
"""The stream of a question, and its number."""


class Given(NamedTuple):
    """An event that a handler was given.

    Attributes:
        at: when, in nanoseconds, by a clock that all processes share.
    """

    node: str
    at: int
    position: int
    stream: str


class Effect(NamedTuple):
    """A row that a projection wrote in the transaction with its checkpoint.

    Attributes:
        number: rises in the order in which the rows were written.
    """

    number: int
    position: int
    stream: str


class Sent(NamedTuple):
    """A command that a process manager sent, perhaps not for the first time."""

    node: str
    stream: str
    number: int
    command: UUID


@dataclass(frozen=True, slots=True)
class History:
    """A whole run.

    Attributes:
        log: every stored event; the types are `Asked`, by a client, and `Answered`, which is what
            the process manager's command adds to the same stream.
        numbers: the id of each stored event → which question it belongs to.
        acknowledged: the id of each client's command that was answered → the position it was told.
        given: to the event handler, node by node in the order in which it was.
        effects: in the projection's table.
        sent: by the process manager.
        parked: positions that were set aside.
        waiting: commands, refusals and instances that process managers still hold.
    """

    log: Sequence[RecordedEvent]
    numbers: Mapping[UUID, int]
    acknowledged: Mapping[UUID, int]
    given: Sequence[Given]
    effects: Sequence[Effect]
    sent: Sequence[Sent]
    parked: Sequence[int] = ()
    waiting: int = 0


def check(history: History) -> None:
    """Compare all that is known.

    Raises:
        HistoryError: says everything that is wrong.
    """
    faults = list(faults_of(history))
    if faults:
        raise HistoryError(faults)


def faults_of(history: History) -> Iterator[str]:
    """A sentence for each fault."""
    yield from order(history.log, {})
    yield from _clients(history)
    yield from _handler(history)
    streams = {event.position: event.stream for event in history.log}
    yield from faults_of_effects(streams, history.effects)
    yield from _process_manager(history)
    yield from (f"position {position} is parked" for position in history.parked)
    if history.waiting:
        yield f"process managers still hold {history.waiting} commands, refusals or instances"


def _clients(history: History) -> Iterator[str]:
    stored = _grouped((event.causation_id, event.position) for event in history.log)
    for command, position in history.acknowledged.items():
        found = stored.get(command, [])
        if not found:
            yield f"acknowledged and lost: command {command}, at {position}"
        elif position not in found:
            yield f"acknowledged at {position} and stored at {found}: command {command}"
    for command, positions in stored.items():
        if len(positions) > 1:
            yield f"command {command} is stored {len(positions)} times, at {positions}"


def _handler(history: History) -> Iterator[str]:
    """At least once, and for the first time in the order of each stream."""
    streams = {event.position: event.stream for event in history.log}
    first: dict[int, Given] = {}
    for given in sorted(history.given, key=lambda given: given.at):
        if streams.get(given.position) != given.stream:
            yield f"a handler was given what is not stored: {given}"
        first.setdefault(given.position, given)
    yield from (
        f"position {position} was never given to the handler" for position in streams.keys() - first
    )
    for stream, positions in _grouped(
        (item.stream, item.position) for item in first.values()
    ).items():
        yield from (
            f"{stream!r}: the handler was given {later} before {earlier}"
            for later, earlier in pairwise(positions)
            if later > earlier
        )


def faults_of_effects(streams: Mapping[int, str], found: Iterable[Effect]) -> Iterator[str]:
    """Whether each event had its effect once, in the order of its stream.

    Args:
        streams: the position of each event that has one → its stream.
        found: the rows.
    """
    effects = sorted(found)
    times = Counter(effect.position for effect in effects)
    for position in streams.keys() - times:
        yield f"position {position} has no effect"
    for position, count in times.items():
        if count > 1:
            yield f"position {position} has {count} effects"
    for effect in effects:
        if streams.get(effect.position) != effect.stream:
            yield f"an effect of what is not stored: {effect}"
    for stream, positions in _grouped((item.stream, item.position) for item in effects).items():
        yield from (
            f"{stream!r}: the effect of {later} was committed before that of {earlier}"
            for later, earlier in pairwise(positions)
            if later > earlier
        )


def _process_manager(history: History) -> Iterator[str]:
    """Each question is answered once, by one command, after it was asked."""
    asked = _questions(history, "Asked")
    answered = _questions(history, "Answered")
    yield from (f"question {question} has no answer" for question in asked.keys() - answered)
    for question, positions in answered.items():
        if len(positions) > 1:
            yield f"question {question} is answered {len(positions)} times, at {positions}"
        if positions[0] < asked.get(question, [positions[0] + 1])[0]:
            yield f"question {question} is answered before it was asked, at {positions[0]}"
    yield from _commands(history, asked)


def _commands(history: History, asked: Collection[Question]) -> Iterator[str]:
    """Each question leads to one command, however often it is sent, and only that answers it."""
    sent = {
        question: set(commands)
        for question, commands in _grouped(
            ((item.stream, item.number), item.command) for item in history.sent
        ).items()
    }
    for question, commands in sent.items():
        if len(commands) > 1:
            yield f"question {question} led to {len(commands)} commands: {sorted(commands)}"
        if question not in asked:
            yield f"a command was sent for a question that nobody asked: {question}"
    for event in history.log:
        question = event.stream, history.numbers[event.id]
        if event.type == "Answered" and event.causation_id not in sent.get(question, ()):
            yield f"question {question} is answered by a command that was not sent: {event}"


def _questions(history: History, kind: str) -> dict[Question, list[int]]:
    """Each question of the events of a type → their positions."""
    return _grouped(
        ((event.stream, history.numbers[event.id]), event.position)
        for event in history.log
        if event.type == kind
    )


def _grouped(pairs: Iterable[tuple[K, T]]) -> dict[K, list[T]]:
    found: dict[K, list[T]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
