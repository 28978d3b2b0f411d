"""The smallest domain that does real work: a counter that is added to."""

import json
from collections.abc import Callable, Iterable

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    apply,
    execute,
    handle,
)

NOTE = "twenty bytes of text " * 4
DATA = json.dumps({"amount": 1, "note": NOTE}, separators=(",", ":"))
"""The stored form of one `Added`."""
ADDED = "Added"
"""Its stored type: the class's name, written out because releases differ in where they keep it."""


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


def watching(domain: str, seen: Callable[[Context], None], handlers: int = 1) -> Domain:
    """A domain with event handlers, each of which calls `seen` for every event from the origin."""
    watches = [_watch(f"watch-{number}", seen) for number in range(handlers)]
    return Domain(domain, aggregates=[Counter], handlers=watches)


def _watch(handler: str, seen: Callable[[Context], None]) -> EventHandler:
    class Watch(EventHandler, name=handler):
        @handle
        async def added(self, _: Added, context: Context) -> None:
            seen(context)

    return Watch()


commands = Domain("bench", aggregates=[Counter])
