"""A decision in steps: each sees what the ones before it changed, and an error discards all."""

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Command,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Rejected,
    Runtime,
    apply,
    execute,
    steps,
)
from chekov.testing import Spec
from tests.unit.domain.messages import Left


class Taken(Event):
    amount: int


class Pay(Command[Taken]):
    account: Identifier[str]
    first: int
    second: int


class Account(Aggregate, identity="account"):
    balance: int = 10
    amounts: list[int] = field(default_factory=list[int])

    @execute
    def pay(self, command: Pay) -> Iterable[Taken]:
        yield from steps(
            self,
            first=lambda account: account.take(command.first),
            second=lambda account: account.take(command.second),
        )

    def take(self, amount: int) -> Iterable[Taken]:
        if amount > self.balance:
            raise Rejected(f"{self.balance} do not cover {amount}")
        yield Taken(amount=amount)

    @apply
    def taken(self, event: Taken) -> None:
        self.balance -= event.amount
        self.amounts.append(event.amount)


def test_the_events_of_all_steps_come_in_order_and_the_state_stays() -> None:
    spec = Spec(Account)
    pay = Pay(account="a", first=4, second=6)
    assert spec.when(pay) == [Taken(amount=4), Taken(amount=6)]
    assert (spec.state.balance, spec.state.amounts) == (10, [])


async def test_an_error_discards_all_and_names_the_step() -> None:
    domain = Domain("bank", aggregates=[Account])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        with pytest.raises(Rejected, match="6 do not cover 7") as caught:
            await runtime.dispatch(Pay(account="a", first=4, second=7))
        assert caught.value.__notes__ == ["in step 'second' of Account"]
        assert await runtime.store.head() == 0
        assert (await runtime.dispatch(Pay(account="a", first=4, second=6))).version == 2
        assert (await runtime.load(Account, "a")).state.balance == 0


@pytest.mark.parametrize(
    ("returned", "fault"),
    [
        (None, "it returned None: `yield` the events"),
        (Taken(amount=1), "it returned a value of type Taken"),
        ([Left(text="a")], "it yields Left, which no @apply method takes"),
    ],
)
def test_a_step_returns_events_of_the_aggregate(returned: Any, fault: str) -> None:
    def step(account: Account) -> Iterable[Event]:
        del account
        return returned

    decided: Iterator[Event] = steps(Account(), wrong=step)
    with pytest.raises(DefinitionError, match=fault):
        list(decided)


def test_without_steps_nothing_happens() -> None:
    decided: Iterator[Event] = steps(Account())
    assert list(decided) == []
