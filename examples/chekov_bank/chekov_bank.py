"""Chekov's bank: an account is opened once, which a command handler validates.

Commands, events, aggregates and fields have the names that they have in Rust, so that a store made
by the original can be imported.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from chekov import (
    Aggregate,
    Command,
    CommandHandler,
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


class AccountDeleted(Event):
    account_id: UUID


class NameChanged(Event, name="AccountUpdated::NameChanged"):
    """In Rust the variants of an enum, here classes; fields without names are numbered."""

    field_0: UUID
    field_1: str
    field_2: str


class Deleted(Event, name="AccountUpdated::Deleted"):
    pass


class Forced(Event, name="AccountUpdated::Forced"):
    why: str


class Disabled(Event, name="AccountUpdated::Disabled"):
    field_0: str


class OpenAccount(Command[AccountOpened]):
    account_id: Identifier[UUID]
    name: str


class UpdateAccount(Command[Deleted | Forced]):
    account_id: Identifier[UUID]
    name: str


class DeleteAccount(Command[AccountDeleted]):
    account_id: Identifier[UUID]


class AccountStatus(Enum):
    INITIALIZED = "Initialized"
    ACTIVE = "Active"
    DELETED = "Deleted"


class Account(Aggregate, identity="account"):
    account_id: UUID | None = None
    status: AccountStatus = AccountStatus.INITIALIZED

    @execute
    def open(self, command: OpenAccount) -> Iterable[AccountOpened]:
        yield AccountOpened(account_id=command.account_id, name=command.name)

    @execute
    def update(self, command: UpdateAccount) -> Iterable[Deleted | Forced]:
        yield Deleted()
        yield Forced(why="duno")

    @execute
    def delete(self, command: DeleteAccount) -> Iterable[AccountDeleted]:
        yield AccountDeleted(account_id=command.account_id)

    @apply
    def opened(self, event: AccountOpened) -> None:
        self.account_id = event.account_id
        self.status = AccountStatus.ACTIVE

    @apply
    def updated(self, event: NameChanged | Deleted | Forced | Disabled) -> None: ...

    @apply
    def deleted(self, event: AccountDeleted) -> None:
        self.status = AccountStatus.DELETED


class AccountValidator(CommandHandler):
    """Sees the account's state before the account does, and could ask anybody else as well."""

    @execute
    async def open(self, command: OpenAccount, account: Account) -> Iterable[AccountOpened]:
        if account.status is not AccountStatus.INITIALIZED:
            raise Rejected(f"the account is {account.status.value.lower()}")
        return account.open(command)


@dataclass
class AccountRow:
    account_id: UUID
    name: str


class Accounts(Projection, name="accounts"):
    tables = "create table accounts (account_id uuid primary key, name text)"

    @handle
    async def opened(self, event: AccountOpened, transaction: Transaction) -> None:
        transaction.write("insert into accounts values ($1, $2)", event.account_id, event.name)

    @handle
    async def deleted(self, event: AccountDeleted, transaction: Transaction) -> None:
        transaction.write("delete from accounts where account_id = $1", event.account_id)

    @query
    async def all(self, connection: Connection) -> list[AccountRow]:
        rows = await connection.fetch("select account_id, name from accounts order by account_id")
        return [AccountRow(**row) for row in rows]


domain = Domain(
    "bank", aggregates=[Account], command_handlers=[AccountValidator()], handlers=[Accounts()]
)
