"""A bank: accounts are opened, money moves, and a read model follows."""

from collections.abc import Iterable
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
    owner: str


class MoneyDeposited(Event, name="money-deposited"):
    amount: int


class MoneyWithdrawn(Event, name="money-withdrawn"):
    amount: int


class AccountClosed(Event):
    pass


class OpenAccount(Command[AccountOpened]):
    account_id: Identifier[UUID]
    owner: str


class Deposit(Command[MoneyDeposited]):
    account_id: Identifier[UUID]
    amount: int


class Withdraw(Command[MoneyWithdrawn]):
    account_id: Identifier[UUID]
    amount: int


class CloseAccount(Command[AccountClosed]):
    account_id: Identifier[UUID]


class NotOpen(Rejected):
    """The account is not open."""


class Overdrawn(Rejected):
    """The balance does not cover the amount."""


class Account(Aggregate, identity="account"):
    owner: str | None = None
    balance: int = 0
    closed: bool = False

    @execute
    def open(self, command: OpenAccount) -> Iterable[AccountOpened]:
        if self.owner is not None:
            raise Rejected("the account is already open")
        yield AccountOpened(owner=command.owner)

    @execute
    def deposit(self, command: Deposit) -> Iterable[MoneyDeposited]:
        self._require_open(command.amount)
        yield MoneyDeposited(amount=command.amount)

    @execute
    def withdraw(self, command: Withdraw) -> Iterable[MoneyWithdrawn]:
        self._require_open(command.amount)
        if command.amount > self.balance:
            raise Overdrawn
        yield MoneyWithdrawn(amount=command.amount)

    @execute
    def close(self, command: CloseAccount) -> Iterable[AccountClosed]:
        self._require_open(1)
        if self.balance:
            raise Rejected(f"withdraw the remaining {self.balance} first")
        yield AccountClosed()

    @apply
    def was_opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @apply
    def was_paid(self, event: MoneyDeposited | MoneyWithdrawn) -> None:
        self.balance += event.amount if isinstance(event, MoneyDeposited) else -event.amount

    @apply
    def was_closed(self, event: AccountClosed) -> None:
        self.closed = True

    def _require_open(self, amount: int) -> None:
        if self.owner is None or self.closed:
            raise NotOpen
        if amount <= 0:
            raise Rejected(f"an amount is at least 1, this one is {amount}")


class Balances(Projection, name="balances", version=1):
    tables = "create table balances (account text primary key, balance bigint not null)"

    @handle
    async def changed(
        self, event: AccountOpened | MoneyDeposited | MoneyWithdrawn, transaction: Transaction
    ) -> None:
        match event:
            case AccountOpened():
                change = 0
            case MoneyDeposited():
                change = event.amount
            case MoneyWithdrawn():
                change = -event.amount
        transaction.write(
            "insert into balances values ($1, $2)"
            " on conflict (account) do update set balance = balances.balance + $2",
            transaction.stream,
            change,
        )

    @handle
    async def closed(self, event: AccountClosed, transaction: Transaction) -> None:
        transaction.write("delete from balances where account = $1", transaction.stream)

    @query
    async def balance(self, connection: Connection, account: str) -> int | None:
        balance: int | None = await connection.fetchval(
            "select balance from balances where account = $1", account
        )
        return balance

    @query
    async def total(self, connection: Connection) -> int:
        total: int = await connection.fetchval(
            "select coalesce(sum(balance), 0)::bigint from balances"
        )
        return total


domain = Domain("bank", aggregates=[Account], handlers=[Balances()])
