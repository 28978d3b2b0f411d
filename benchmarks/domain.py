"""The smallest domain that does real work: a counter that is added to."""

from collections.abc import Iterable

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    apply,
    definition_of,
    execute,
    handle,
)


class Added(Event):
    amount: int
    note: str


class Add(Command[Added]):
    counter: Identifier[str]
    amount: int
    note: str


class Counter(Aggregate, identity="counter"):
    total: int = 0

    @execute
    def add(self, command: Add) -> Iterable[Added]:
        yield Added(amount=command.amount, note=command.note)

    @apply
    def added(self, event: Added) -> None:
        self.total += event.amount


class Watch(EventHandler, name="watch"):
    """Hands every event to whoever listens."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.on_event = self._count

    def _count(self, context: Context) -> None:
        self.seen.append(context.position)

    @handle
    async def added(self, event: Added, context: Context) -> None:
        del event
        self.on_event(context)


ADDED = definition_of(Added).name
NOTE = "twenty bytes of text " * 4

commands = Domain("bench", aggregates=[Counter])
