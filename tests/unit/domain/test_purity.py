"""An executor that changes the state is found out, in specs and by a runtime in debug mode."""

from collections.abc import Iterable
from dataclasses import field

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
    StateChanged,
    apply,
    execute,
)
from chekov.testing import Spec


class Added(Event):
    item: str


class Add(Command[Added]):
    basket: Identifier[str]
    item: str


class AddTwice(Command[Added]):
    basket: Identifier[str]


class Basket(Aggregate, identity="basket"):
    items: list[str] = field(default_factory=list[str])
    full: bool = False

    @execute
    def add(self, command: Add) -> Iterable[Added]:
        self.items.append(command.item)
        if len(self.items) > 1:
            self.full = True
            raise Rejected("it is full")
        yield Added(item=command.item)

    @execute
    def twice(self, command: AddTwice) -> Iterable[Added]:
        yield Added(item="a")

    @apply
    def added(self, event: Added) -> None:
        self.items.append(event.item)


DOMAIN = Domain("shop", aggregates=[Basket])


async def test_a_runtime_in_debug_mode_refuses_it_and_keeps_the_state_as_it_was() -> None:
    async with Runtime(DOMAIN, store=MemoryStore(), debug=True) as runtime:
        with pytest.raises(StateChanged, match=r"Basket.add changed the state, items from \[\] to"):
            await runtime.dispatch(Add(basket="1", item="pen"))
        done = await runtime.dispatch(AddTwice(basket="1"), with_state=True)
        assert isinstance(done.state, Basket)
        assert (done.version, done.state.items) == (1, ["a"])
        with pytest.raises(StateChanged) as changed:
            await runtime.dispatch(Add(basket="1", item="ink"))
        assert (changed.value.executor, changed.value.fields) == ("Basket.add", ("items", "full"))
        assert isinstance(changed.value.__context__, Rejected)
        assert (await runtime.load(Basket, "1")).state == Basket(items=["a"])


async def test_a_runtime_does_not_look_otherwise() -> None:
    async with Runtime(DOMAIN, store=MemoryStore()) as runtime:
        assert (await runtime.dispatch(Add(basket="1", item="pen"))).version == 1


def test_a_spec_always_looks() -> None:
    with pytest.raises(StateChanged):
        Spec(Basket).when(Add(basket="1", item="pen"))
    assert Spec(Basket).when(AddTwice(basket="1")) == [Added(item="a")]
