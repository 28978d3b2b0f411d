"""Chekov's gift shop decides as the original does."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from chekov import Aggregate, Command, Event, Rejected
from chekov.testing import Spec
from examples.gift_shop.gift_shop import (
    Account,
    AccountOpened,
    AddGiftCardToOrder,
    CancelOrder,
    CreateGiftCard,
    CreateOrder,
    GiftCard,
    GiftCardAdded,
    GiftCardCreated,
    Item,
    OpenAccount,
    Order,
    OrderCanceled,
    OrderCreated,
    OrderValidated,
    UnableToCreate,
    ValidateOrder,
)

E = TypeVar("E", bound=Event)

ACCOUNT, CARD, ORDER = uuid4(), uuid4(), uuid4()

opened = AccountOpened(account_id=ACCOUNT, name="Ada", balance=0)
card = GiftCardCreated(gift_card_id=CARD, name="Tea", price=10, count=5)
created = OrderCreated(order_id=ORDER, account_id=ACCOUNT)
added = GiftCardAdded(order_id=ORDER, gift_card_id=CARD, amount=2, price=10)
validated = OrderValidated(
    order_id=ORDER, account_id=ACCOUNT, items={CARD: Item(2, 10)}, total_price=20
)
canceled = OrderCanceled(order_id=ORDER, account_id=ACCOUNT, total_price=20)


def decided(given: Sequence[Event], command: Command[E], aggregate: type[Aggregate]) -> Sequence[E]:
    return Spec(aggregate).given(*given).when(command)


def test_an_account_is_opened_once() -> None:
    command = OpenAccount(account_id=ACCOUNT, name="Ada")
    assert decided([], command, Account) == [opened]
    with pytest.raises(UnableToCreate):
        decided([opened], command, Account)


def test_a_gift_card_is_created_once() -> None:
    command = CreateGiftCard(gift_card_id=CARD, name="Tea", price=10, count=5)
    assert decided([], command, GiftCard) == [card]
    assert decided([card], command, GiftCard) == []


def test_an_order_is_filled_validated_and_canceled() -> None:
    create = CreateOrder(order_id=ORDER, account_id=ACCOUNT)
    add = AddGiftCardToOrder(order_id=ORDER, gift_card_id=CARD, amount=2, price=10)
    assert decided([], create, Order) == [created]
    assert decided([created], add, Order) == [added]
    assert decided([created, added], ValidateOrder(order_id=ORDER), Order) == [validated]
    for given in ([created, added], [created, added, validated]):
        assert decided(given, CancelOrder(order_id=ORDER), Order) == [canceled]


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ([created], CreateOrder(order_id=ORDER, account_id=ACCOUNT)),
        ([], AddGiftCardToOrder(order_id=ORDER, gift_card_id=CARD, amount=2, price=10)),
        ([created], AddGiftCardToOrder(order_id=ORDER, gift_card_id=CARD, amount=0, price=10)),
        (
            [created, added],
            AddGiftCardToOrder(order_id=ORDER, gift_card_id=CARD, amount=1, price=1),
        ),
        ([created], ValidateOrder(order_id=ORDER)),
        ([created, added, validated], ValidateOrder(order_id=ORDER)),
        ([], CancelOrder(order_id=ORDER)),
        ([created, canceled], CancelOrder(order_id=ORDER)),
    ],
)
def test_an_order_refuses_what_does_not_fit(given: Sequence[Event], command: Command[Any]) -> None:
    with pytest.raises(Rejected):
        decided(given, command, Order)
