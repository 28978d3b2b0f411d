"""A small domain whose executors and handlers can be made to misbehave."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from chekov import (
    Aggregate,
    Command,
    CommandHandler,
    Context,
    Event,
    EventHandler,
    Identifier,
    Rejected,
    Runtime,
    apply,
    execute,
    handle,
)
from chekov.engine.subscriptions.status import SubscriptionStatus
from chekov.store.port import SubscriptionKey


class Added(Event):
    amount: int


class Noted(Event):
    text: str


class Add(Command[Added]):
    counter: Identifier[str]
    amount: int


class AddAtMost(Command[Added]):
    counter: Identifier[str]
    amount: int
    limit: int


class Note(Command[Noted]):
    counter: Identifier[str]
    text: str


class Break(Command[Added]):
    counter: Identifier[str]


class TooMuch(Rejected):
    """The counter would pass its limit."""


class Counter(Aggregate, identity="counter"):
    total: int = 0
    notes: int = 0

    @execute
    def add(self, command: Add) -> Iterable[Added]:
        if command.amount:
            yield Added(amount=command.amount)

    @execute
    def add_at_most(self, command: AddAtMost) -> Iterable[Added]:
        if self.total + command.amount > command.limit:
            raise TooMuch
        yield Added(amount=command.amount)

    @execute
    def note(self, command: Note) -> Iterable[Noted]:
        yield Noted(text=command.text)

    @execute
    def broken(self, command: Break) -> Iterable[Added]:
        raise ZeroDivisionError(command.counter)

    @apply
    def added(self, event: Added) -> None:
        if event.amount < 0:
            raise ValueError("an applier that refuses")
        self.total += event.amount

    @apply
    def noted(self, event: Noted) -> None:
        del event
        self.notes += 1


class Doubling(CommandHandler):
    @execute
    async def note(self, command: Note, counter: Counter) -> Iterable[Noted]:
        return counter.note(replace(command, text=f"{command.text} at {counter.total}"))


async def nothing(event: Added) -> None:
    pass


class Seen(EventHandler, name="seen", consistency="strong"):
    """Remembers what it was given, after `first`, and fails on amounts it is told to fail on."""

    def __init__(self, first: Callable[[Added], Awaitable[None]] = nothing) -> None:
        self.first = first
        self.contexts: list[Context] = []
        self.amounts: list[int] = []
        self.failing: dict[int, int] = {}

    @handle
    async def added(self, event: Added, context: Context) -> None:
        await self.first(event)
        left = self.failing.get(event.amount, 0)
        if left:
            self.failing[event.amount] = left - 1
            raise RuntimeError(f"no {event.amount} please")
        self.amounts.append(event.amount)
        self.contexts.append(context)


def status(runtime: Runtime, name: str) -> SubscriptionStatus:
    """The only subscription of a name in the runtime's domain."""
    return runtime.subscriptions[SubscriptionKey(runtime.domain.name, name)]
