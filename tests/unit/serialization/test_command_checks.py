"""A command checks its values when it is made, also when it is decoded."""

from collections.abc import Iterable

import pytest

from chekov import (
    Aggregate,
    Command,
    Domain,
    Event,
    Identifier,
    InvalidCommand,
    apply,
    execute,
)
from chekov.serialization.codec import Codec


class Paid(Event):
    amount: int


class Pay(Command[Paid]):
    account: Identifier[str]
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 1:
            raise ValueError("an amount is at least 1")


class Account(Aggregate):
    @execute
    def pay(self, command: Pay) -> Iterable[Paid]:
        yield Paid(amount=command.amount)

    @apply
    def paid(self, event: Paid) -> None:
        pass


CODEC = Codec(Domain("bank", aggregates=[Account]))


def test_what_it_accepts_is_decoded() -> None:
    made = CODEC.decode_command("Pay", b'{"account":"a","amount":1}')
    assert made == Pay(account="a", amount=1)


def test_what_it_refuses_is_an_invalid_command() -> None:
    with pytest.raises(InvalidCommand, match="an amount is at least 1"):
        CODEC.decode_command("Pay", b'{"account":"a","amount":0}')
    with pytest.raises(ValueError, match="an amount is at least 1"):
        Pay(account="a", amount=0)
