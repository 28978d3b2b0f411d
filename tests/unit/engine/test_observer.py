"""Everything that happens is reported to every observer, and costs nothing where nobody looks."""

from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

import pytest

from chekov import (
    Aggregate,
    Command,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Rejected,
    Runtime,
    apply,
    execute,
)
from chekov.engine.observer import (
    CommandObservation,
    Observer,
    Outcome,
    combined,
    observed_append,
    overrides,
)


class Noted(Event):
    text: str


class Note(Command[Noted]):
    book: Identifier[UUID]
    text: str


class Book(Aggregate, identity="book"):
    notes: int = 0

    @execute
    def note(self, command: Note) -> Iterable[Noted]:
        if not command.text:
            raise Rejected("an empty note")
        yield Noted(text=command.text)

    @apply
    def noted(self, _: Noted) -> None:
        self.notes += 1


BOOKS = Domain("books", aggregates=[Book])
BOOK = UUID(int=7)


class Recorder(Observer):
    """Writes down what it is reported, under its name."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self._name = name
        self._seen = seen

    def write(self, text: str) -> None:
        self._seen.append(f"{self._name}: {text}")

    def command(self, command: str, stream: str) -> CommandObservation | None:
        self.write(f"{command} on {stream}")
        return self

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        self.write(f"{outcome}, {events} events, {retries} retries")

    def append(self, stream: str, events: int) -> AbstractContextManager[None]:
        return self._surround(f"append {events} to {stream}")

    @contextmanager
    def _surround(self, text: str) -> Generator[None]:
        self.write(f"begin {text}")
        yield
        self.write(f"end {text}")


class Idle(Observer):
    pass


class Traced(Observer):
    def __init__(self, value: str | None) -> None:
        self._value = value

    def traceparent(self) -> str | None:
        return self._value


async def test_every_observer_sees_a_command_and_its_append_nested() -> None:
    seen: list[str] = []
    observers = [Recorder("a", seen), Idle(), Recorder("b", seen)]
    async with Runtime(BOOKS, store=MemoryStore(), observers=observers) as runtime:
        await runtime.dispatch(Note(book=BOOK, text="one"))
    stream = f"book-{BOOK}"
    assert seen == [
        f"a: Note on {stream}",
        f"b: Note on {stream}",
        f"a: begin append 1 to {stream}",
        f"b: begin append 1 to {stream}",
        f"b: end append 1 to {stream}",
        f"a: end append 1 to {stream}",
        "b: accepted, 1 events, 0 retries",
        "a: accepted, 1 events, 0 retries",
    ]


async def test_a_rejected_command_appends_nothing() -> None:
    seen: list[str] = []
    async with Runtime(BOOKS, store=MemoryStore(), observers=[Recorder("a", seen)]) as runtime:
        with pytest.raises(Rejected):
            await runtime.dispatch(Note(book=BOOK, text=""))
    assert seen[-1] == "a: rejected, 0 events, 0 retries"
    assert not [line for line in seen if "append" in line]


def test_one_observer_is_used_as_it_is() -> None:
    observer = Idle()
    assert combined([observer]) is observer


def test_a_hook_of_one_observer_is_called_directly() -> None:
    traced = Traced("00-a")
    observer = combined([Idle(), traced, Idle()])
    assert observer.traceparent == traced.traceparent


def test_the_first_trace_context_counts() -> None:
    assert combined([Traced(None), Traced("00-b"), Traced("00-c")]).traceparent() == "00-b"
    assert combined([Traced(None), Traced(None)]).traceparent() is None


def test_nobody_watches_an_append_that_no_observer_surrounds() -> None:
    store = MemoryStore()
    for observer in (Observer(), combined([]), combined([Idle(), Traced(None)])):
        assert not overrides(observer, "append")
        assert observed_append(store.append, observer) == store.append
    watching = combined([Idle(), Recorder("a", [])])
    assert overrides(watching, "append")
    assert observed_append(store.append, watching) != store.append


def test_a_command_that_no_observer_follows_needs_no_finish() -> None:
    assert combined([]).command("Note", "book-7") is None
    assert combined([Quiet(), Quiet()]).command("Note", "book-7") is None


class Quiet(Observer):
    def command(self, command: str, stream: str) -> CommandObservation | None:
        return None


def _ignore(*_: object) -> None:
    pass


@pytest.mark.parametrize(
    "hook",
    [name for name in vars(Observer) if not name.startswith("_")],
)
def test_every_hook_is_passed_on_to_several_observers(hook: str) -> None:
    """A hook that the fan-out does not know would be lost without an error."""
    overriding = type("Overriding", (Observer,), {hook: _ignore})
    observer = combined([overriding(), overriding()])
    assert overrides(observer, hook)
