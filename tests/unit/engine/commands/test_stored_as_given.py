"""What is yielded is stored as it was given, and shares nothing with the state."""

from collections.abc import Iterable
from dataclasses import field
from math import nan

import pytest

from chekov import (
    Aggregate,
    Command,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Runtime,
    apply,
    execute,
)
from chekov.errors import InexactEvent


class Opened(Event):
    items: list[str]


class Added(Event):
    item: str = ""
    weight: float | None = None


class Open(Command[Opened | Added]):
    cart: Identifier[str]
    items: list[str]


class Grow(Command[Opened]):
    cart: Identifier[str]


class Weigh(Command[Added]):
    cart: Identifier[str]
    weight: float


class Cart(Aggregate, identity="cart"):
    items: list[str] = field(default_factory=list[str])

    @execute
    def open(self, command: Open) -> Iterable[Opened | Added]:
        yield Opened(items=command.items)
        yield Added(item="cup")

    @execute
    def grow(self, command: Grow) -> Iterable[Opened]:
        items: list[str] = []
        for item in ("a", "b"):
            items.append(item)
            yield Opened(items=items)

    @execute
    def weigh(self, command: Weigh) -> Iterable[Added]:
        yield Added(weight=command.weight)

    @apply
    def opened(self, event: Opened) -> None:
        self.items = event.items

    @apply
    def added(self, event: Added) -> None:
        self.items.append(event.item)


def over(store: MemoryStore) -> Runtime:
    return Runtime(Domain("shop", aggregates=[Cart]), store=store)


async def test_an_applier_that_keeps_a_list_changes_neither_event_nor_command_nor_answer() -> None:
    command = Open(cart="1", items=["tea"])
    async with over(MemoryStore()) as runtime:
        done = await runtime.dispatch(command)
        assert done.recorded[0].data == b'{"items":["tea"]}'
        assert command.items == ["tea"]
        first = done.events[0]
        assert isinstance(first, Opened)
        assert first.items == ["tea"]
        first.items.append("mine")
        command.items.append("mine")
        assert (await runtime.load(Cart, "1")).state.items == ["tea", "cup"]
        assert (await runtime.load(Cart, "1", at=2)).state.items == ["tea", "cup"]


async def test_an_event_is_stored_as_it_was_when_it_was_yielded() -> None:
    async with over(MemoryStore()) as runtime:
        done = await runtime.dispatch(Grow(cart="1"))
        assert [item.data for item in done.recorded] == [b'{"items":["a"]}', b'{"items":["a","b"]}']
        assert [event.items for event in done.events] == [["a"], ["a", "b"]]


async def test_after_conflicts_nothing_of_the_lost_attempts_is_in_the_state() -> None:
    store = MemoryStore()
    async with over(store) as one, over(store) as other:
        await one.dispatch(Open(cart="1", items=["tea"]))
        await other.dispatch(Weigh(cart="1", weight=1))
        await one.dispatch(Weigh(cart="1", weight=2))
        assert (await one.load(Cart, "1")).state.items == ["tea", "cup", "", ""]
        assert (await one.load(Cart, "1", at=4)).state.items == ["tea", "cup", "", ""]


async def test_a_value_that_would_be_read_as_another_is_refused_and_leaves_the_state() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Open(cart="1", items=["tea"]))
        with pytest.raises(InexactEvent, match=r"Added\.weight is nan, and would be read as None"):
            await runtime.dispatch(Weigh(cart="1", weight=nan))
        assert (await runtime.load(Cart, "1")).version == 2
        assert (await runtime.load(Cart, "1")).state.items == ["tea", "cup"]
