"""Chekov's gift shop: accounts, gift cards with a price, and orders of gift cards.

Commands, events, aggregates and fields have the names that they have in Rust, so that a store made
by the original can be imported.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from chekov import (
    Aggregate,
    Command,
    Connection,
    Domain,
    Event,
    Identifier,
    Projection,
    Rejected,
    Transaction,
    apply,
    execute,
    handle,
    query,
)


class AccountOpened(Event):
    account_id: UUID
    name: str
    balance: int


class OpenAccount(Command[AccountOpened]):
    account_id: Identifier[UUID]
    name: str


class AccountStatus(Enum):
    INITIALIZED = "Initialized"
    ACTIVE = "Active"


class UnableToCreate(Rejected):
    """The account cannot be opened."""


class Account(Aggregate, identity="account"):
    account_id: UUID | None = None
    status: AccountStatus = AccountStatus.INITIALIZED

    @execute
    def open(self, command: OpenAccount) -> Iterable[AccountOpened]:
        if self.status is not AccountStatus.INITIALIZED:
            raise UnableToCreate
        yield AccountOpened(account_id=command.account_id, name=command.name, balance=0)

    @apply
    def opened(self, event: AccountOpened) -> None:
        self.account_id = event.account_id
        self.status = AccountStatus.ACTIVE


class GiftCardCreated(Event):
    gift_card_id: UUID
    name: str
    price: int
    count: int


class CreateGiftCard(Command[GiftCardCreated]):
    gift_card_id: Identifier[UUID]
    name: str
    price: int
    count: int


class GiftCard(Aggregate, identity="gift_card"):
    created: bool = False
    name: str = ""
    price: int = 0
    count: int = 0

    @execute
    def create(self, command: CreateGiftCard) -> Iterable[GiftCardCreated]:
        """Create it; nothing happens if it is there already."""
        if not self.created:
            yield GiftCardCreated(
                gift_card_id=command.gift_card_id,
                name=command.name,
                price=command.price,
                count=command.count,
            )

    @apply
    def was_created(self, event: GiftCardCreated) -> None:
        self.created = True
        self.name, self.price, self.count = event.name, event.price, event.count


@dataclass
class Item:
    """How many of a gift card are ordered, and what each costs."""

    amount: int
    price: int


class OrderCreated(Event):
    order_id: UUID
    account_id: UUID


class GiftCardAdded(Event):
    order_id: UUID
    gift_card_id: UUID
    amount: int
    price: int


class OrderValidated(Event):
    order_id: UUID
    account_id: UUID
    items: dict[UUID, Item]
    total_price: int


class OrderCanceled(Event):
    order_id: UUID
    account_id: UUID
    total_price: int


class CreateOrder(Command[OrderCreated]):
    order_id: Identifier[UUID]
    account_id: UUID


class AddGiftCardToOrder(Command[GiftCardAdded]):
    order_id: Identifier[UUID]
    gift_card_id: UUID
    amount: int
    price: int


class ValidateOrder(Command[OrderValidated]):
    order_id: Identifier[UUID]


class CancelOrder(Command[OrderCanceled]):
    order_id: Identifier[UUID]


class OrderStatus(Enum):
    UNKNOWN = "Unknown"
    CREATED = "Created"
    CANCELED = "Canceled"
    VALIDATED = "Validated"


class Order(Aggregate, identity="order"):
    account_id: UUID | None = None
    status: OrderStatus = OrderStatus.UNKNOWN
    items: dict[UUID, Item] = field(default_factory=dict[UUID, Item])
    total_price: int = 0

    @execute
    def create(self, command: CreateOrder) -> Iterable[OrderCreated]:
        self._require(OrderStatus.UNKNOWN)
        yield OrderCreated(order_id=command.order_id, account_id=command.account_id)

    @execute
    def add_gift_card(self, command: AddGiftCardToOrder) -> Iterable[GiftCardAdded]:
        self._require(OrderStatus.CREATED)
        if command.price <= 0 or command.amount <= 0:
            raise Rejected("price and amount are at least 1")
        if command.gift_card_id in self.items:
            raise Rejected("this gift card is in the order already")
        yield GiftCardAdded(
            order_id=command.order_id,
            gift_card_id=command.gift_card_id,
            amount=command.amount,
            price=command.price,
        )

    @execute
    def validate(self, command: ValidateOrder) -> Iterable[OrderValidated]:
        account_id = self._require(OrderStatus.CREATED)
        if account_id is None or not self.items:
            raise Rejected("the order is empty")
        yield OrderValidated(
            order_id=command.order_id,
            account_id=account_id,
            items=self.items,
            total_price=self.total_price,
        )

    @execute
    def cancel(self, command: CancelOrder) -> Iterable[OrderCanceled]:
        account_id = self._require(OrderStatus.CREATED, OrderStatus.VALIDATED)
        if account_id is not None:
            yield OrderCanceled(
                order_id=command.order_id, account_id=account_id, total_price=self.total_price
            )

    @apply
    def was_created(self, event: OrderCreated) -> None:
        self.status = OrderStatus.CREATED
        self.account_id = event.account_id

    @apply
    def was_added(self, event: GiftCardAdded) -> None:
        self.items[event.gift_card_id] = Item(event.amount, event.price)
        self.total_price += event.amount * event.price

    @apply
    def was_validated(self, event: OrderValidated) -> None:
        self.status = OrderStatus.VALIDATED

    @apply
    def was_canceled(self, event: OrderCanceled) -> None:
        self.status = OrderStatus.CANCELED

    def _require(self, *allowed: OrderStatus) -> UUID | None:
        if self.status not in allowed:
            raise Rejected(f"the order is {self.status.value.lower()}")
        return self.account_id


@dataclass
class AccountRow:
    account_id: UUID
    name: str
    balance: int


class Accounts(Projection, name="accounts"):
    tables = "create table accounts (account_id uuid primary key, name text, balance bigint)"

    @handle
    async def opened(self, event: AccountOpened, transaction: Transaction) -> None:
        transaction.write(
            "insert into accounts values ($1, $2, $3)", event.account_id, event.name, event.balance
        )

    @query
    async def all(self, connection: Connection) -> list[AccountRow]:
        rows = await connection.fetch(
            "select account_id, name, balance from accounts order by account_id"
        )
        return [AccountRow(**row) for row in rows]


@dataclass
class GiftCardRow:
    gift_card_id: UUID
    name: str
    price: int
    count: int


class GiftCards(Projection, name="gift_cards"):
    tables = """
        create table gift_cards (gift_card_id uuid primary key, name text, price bigint, count int)
    """

    @handle
    async def created(self, event: GiftCardCreated, transaction: Transaction) -> None:
        transaction.write(
            "insert into gift_cards values ($1, $2, $3, $4)",
            event.gift_card_id,
            event.name,
            event.price,
            event.count,
        )

    @query
    async def all(self, connection: Connection) -> list[GiftCardRow]:
        rows = await connection.fetch(
            "select gift_card_id, name, price, count from gift_cards order by name"
        )
        return [GiftCardRow(**row) for row in rows]


@dataclass
class OrderRow:
    order_id: UUID
    status: str
    total_price: int


class Orders(Projection, name="orders"):
    tables = """
        create table orders (
            order_id uuid primary key, account_id uuid, status text, total_price bigint default 0
        )
    """

    @handle
    async def created(self, event: OrderCreated, transaction: Transaction) -> None:
        transaction.write(
            "insert into orders (order_id, account_id, status) values ($1, $2, 'Created')",
            event.order_id,
            event.account_id,
        )

    @handle
    async def added(self, event: GiftCardAdded, transaction: Transaction) -> None:
        transaction.write(
            "update orders set total_price = total_price + $2 where order_id = $1",
            event.order_id,
            event.amount * event.price,
        )

    @handle
    async def ended(self, event: OrderValidated | OrderCanceled, transaction: Transaction) -> None:
        status = (
            OrderStatus.VALIDATED if isinstance(event, OrderValidated) else OrderStatus.CANCELED
        )
        transaction.write(
            "update orders set status = $2 where order_id = $1", event.order_id, status.value
        )

    @query
    async def of_account(self, connection: Connection, account_id: UUID) -> list[OrderRow]:
        rows = await connection.fetch(
            "select order_id, status, total_price from orders where account_id = $1"
            " order by order_id",
            account_id,
        )
        return [OrderRow(**row) for row in rows]


domain = Domain(
    "gift_shop",
    aggregates=[Account, GiftCard, Order],
    handlers=[Accounts(), GiftCards(), Orders()],
)
