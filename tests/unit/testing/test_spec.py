from collections.abc import Iterable
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest

from chekov import Aggregate, DefinitionError, InvalidArgument, Principal, apply, execute
from chekov.errors import Rejected, UnknownCommand
from chekov.testing import Spec
from examples.bank.bank import (
    Account,
    AccountClosed,
    AccountOpened,
    CloseAccount,
    Deposit,
    MoneyDeposited,
    MoneyWithdrawn,
    NotOpen,
    OpenAccount,
    Overdrawn,
    Withdraw,
)
from tests.unit.domain.messages import Either, Left, Right
from tests.unit.engine.commands.test_contexts import Copy, Lend, Lent

ACCOUNT = uuid4()
OPEN = Spec(Account).given(AccountOpened(owner="Ada"), MoneyDeposited(amount=10))


def test_a_command_yields_its_events() -> None:
    assert OPEN.when(Withdraw(account_id=ACCOUNT, amount=4)) == [MoneyWithdrawn(amount=4)]


def test_a_command_has_the_time_and_the_principal_of_the_spec() -> None:
    noon = datetime(2027, 3, 1, 12, tzinfo=UTC)
    spec = Spec(Copy).at(noon).by(Principal("ada")).given(Lent(to="eve", at=noon))
    assert spec.when(Lend(copy="1")) == [Lent(to="ada", at=noon)]
    [lent] = Spec(Copy).when(Lend(copy="1"))
    assert lent.to == "nobody"
    assert lent.at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="expected one with a zone"):
        Spec(Copy).at(datetime(2027, 3, 1))  # noqa: DTZ001 that is what is refused


def test_a_refusal_comes_out_as_it_is() -> None:
    with pytest.raises(Overdrawn, match="The balance does not cover the amount"):
        OPEN.when(Withdraw(account_id=ACCOUNT, amount=40))
    with pytest.raises(NotOpen):
        Spec(Account).when(Deposit(account_id=ACCOUNT, amount=1))


def test_the_rules_of_the_bank() -> None:
    with pytest.raises(Rejected, match="already open"):
        OPEN.when(OpenAccount(account_id=ACCOUNT, owner="Bea"))
    with pytest.raises(Rejected, match="at least 1"):
        OPEN.when(Deposit(account_id=ACCOUNT, amount=0))
    with pytest.raises(Rejected, match="withdraw the remaining 10 first"):
        OPEN.when(CloseAccount(account_id=ACCOUNT))
    emptied = OPEN.given(MoneyWithdrawn(amount=10))
    assert emptied.when(CloseAccount(account_id=ACCOUNT)) == [AccountClosed()]
    with pytest.raises(NotOpen):
        emptied.given(AccountClosed()).when(Deposit(account_id=ACCOUNT, amount=1))


def test_given_makes_another_spec_and_leaves_the_first_as_it_is() -> None:
    richer = OPEN.given(MoneyDeposited(amount=5))
    assert (richer.state.balance, OPEN.state.balance) == (15, 10)


def test_a_command_changes_nothing() -> None:
    OPEN.when(Deposit(account_id=ACCOUNT, amount=1))
    assert OPEN.state.balance == 10


def test_given_takes_only_events_that_the_aggregate_applies() -> None:
    with pytest.raises(AssertionError, match="Account does not apply Left"):
        Spec(Account).given(Left(text=""))


def test_when_takes_only_commands_that_the_aggregate_executes() -> None:
    with pytest.raises(UnknownCommand, match="Either"):
        Spec(Account).when(Either(key="a"))


class Impure(Aggregate, identity="impure"):
    seen: list[str] = field(default_factory=list[str])

    @execute
    def either(self, command: Either) -> Iterable[Left | Right]:
        self.seen.append(command.key)
        if command.key == "refuse":
            raise Rejected
        yield Left(text=command.key)

    @apply
    def turned(self, event: Left | Right) -> None:
        pass


class Careless(Aggregate, identity="careless"):
    @execute
    def either(self, command: Either) -> Iterable[Any]:
        yield AccountClosed()

    @apply
    def turned(self, event: Left | Right) -> None:
        pass


class Forgetful(Aggregate, identity="forgetful"):
    @execute
    def either(self, command: Either) -> Iterable[Left | Right]:
        yield Left(text=command.key)

    @apply
    def turned(self, event: Left) -> None:
        pass


class Silent(Aggregate, identity="silent"):
    """Its author forgot `yield`."""

    @execute
    def either(self, command: Either) -> Iterable[Left | Right]:
        return cast("Any", None if command.key == "none" else Left(text=command.key))

    @apply
    def turned(self, event: Left | Right) -> None:
        pass


@pytest.mark.parametrize("key", ["yield", "refuse"])
def test_an_executor_that_changes_the_state_is_caught(key: str) -> None:
    with pytest.raises(AssertionError, match="either changed the state"):
        Spec(Impure).when(Either(key=key))


def test_an_event_that_cannot_be_applied_is_caught() -> None:
    with pytest.raises(AssertionError, match="Careless does not apply AccountClosed"):
        Spec(Careless).when(Either(key="a"))


def test_an_aggregate_that_is_wrong_as_written_has_no_spec() -> None:
    with pytest.raises(DefinitionError, match="Forgetful has 1 fault") as caught:
        Spec(Forgetful)
    assert "Either yields Right, which Forgetful does not apply" in caught.value.faults[0]


@pytest.mark.parametrize(("key", "came"), [("none", "None"), ("x", "a value of type Left")])
def test_an_executor_that_forgot_to_yield_is_named(key: str, came: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Spec(Silent).when(Either(key=key))
    assert caught.value.subject == "Silent.either"
    assert caught.value.faults == (
        f"it returned {came}: `yield` the events, or return a list of them",
    )
