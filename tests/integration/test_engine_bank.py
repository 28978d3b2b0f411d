"""Banks in a program on Postgres: commands, events, projections and queries."""

from collections.abc import Iterable
from uuid import UUID, uuid4

import pytest

from chekov import (
    Aggregate,
    Command,
    Connection,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    Projection,
    Rejected,
    Runtime,
    Transaction,
    apply,
    execute,
    handle,
    query,
    stream_of,
)
from chekov.errors import InvalidArgument, StreamNotFound, UnknownQuery
from chekov.testing import Spec
from examples.bank import bank


class AccountOpened(Event):
    owner: str


class MoneyDeposited(Event, name="money-deposited"):
    amount: int


class OpenAccount(Command[AccountOpened]):
    account_id: Identifier[UUID]
    owner: str


class Deposit(Command[MoneyDeposited]):
    account_id: Identifier[UUID]
    amount: int


class Account(Aggregate, identity="account"):
    owner: str | None = None
    balance: int = 0

    @execute
    def open(self, command: OpenAccount) -> Iterable[AccountOpened]:
        if self.owner is not None:
            raise Rejected("the account is already open")
        yield AccountOpened(owner=command.owner)

    @execute
    def deposit(self, command: Deposit) -> Iterable[MoneyDeposited]:
        yield MoneyDeposited(amount=command.amount)

    @apply
    def opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @apply
    def deposited(self, event: MoneyDeposited) -> None:
        self.balance += event.amount


class Welcome(EventHandler, name="welcome", consistency="strong"):
    @handle
    async def opened(self, event: AccountOpened, context: Context) -> None: ...


class Balances(Projection, name="balances", version=1):
    tables = "create table balances (account text primary key, balance bigint not null)"

    @handle
    async def changed(
        self, event: AccountOpened | MoneyDeposited, transaction: Transaction
    ) -> None:
        change = event.amount if isinstance(event, MoneyDeposited) else 0
        await transaction.connection.execute(
            "insert into balances values ($1, $2)"
            " on conflict (account) do update set balance = balances.balance + $2",
            transaction.stream,
            change,
        )

    @query
    async def balance(self, connection: Connection, account: str) -> int | None:
        return await connection.fetchval("select balance from balances where account = $1", account)


domain = Domain("bank", aggregates=[Account], handlers=[Welcome(), Balances()])


async def test_a_command_is_stored_loaded_and_queried(dsn: str) -> None:
    account_id = uuid4()
    async with Runtime(domain, store=dsn) as runtime:
        result = await runtime.dispatch(
            OpenAccount(account_id=account_id, owner="Ada"), consistency="strong"
        )
        assert result.stream == f"account-{account_id}"
        assert (result.version, result.position) == (1, 1)
        assert result.events == (AccountOpened(owner="Ada"),)
        account = await runtime.load(Account, account_id)
        assert (account.state.owner, account.version) == ("Ada", 1)
        stored = [recorded async for recorded in runtime.store.read_all(after=0)]
        assert [runtime.decode(recorded) for recorded in stored] == [AccountOpened(owner="Ada")]
        answer = await runtime.query("balances", "balance", {"account": result.stream})
        assert answer == 0


def test_the_same_aggregate_works_in_a_spec() -> None:
    account_id = uuid4()
    assert Spec(Account).given(AccountOpened(owner="Ada")).when(
        Deposit(account_id=account_id, amount=3)
    ) == [MoneyDeposited(amount=3)]


async def test_the_example_bank_from_opening_an_account_to_closing_it(dsn: str) -> None:
    ada, bea = uuid4(), uuid4()
    async with Runtime(bank.domain, store=dsn) as runtime:
        await runtime.dispatch(bank.OpenAccount(account_id=ada, owner="Ada"))
        await runtime.dispatch(bank.OpenAccount(account_id=bea, owner="Bea"))
        await runtime.dispatch(bank.Deposit(account_id=ada, amount=10))
        with pytest.raises(bank.Overdrawn):
            await runtime.dispatch(bank.Withdraw(account_id=ada, amount=11))
        await runtime.dispatch(bank.Withdraw(account_id=ada, amount=4))
        last = await runtime.dispatch(bank.Deposit(account_id=bea, amount=1), consistency="strong")
        assert last.position == 5
        stream = stream_of(bank.Account, ada)
        assert await runtime.query("balances", "balance", {"account": stream}) == 6
        assert await runtime.query("balances", "total", {}) == 7
        await runtime.dispatch(bank.Withdraw(account_id=ada, amount=6))
        await runtime.dispatch(bank.CloseAccount(account_id=ada), consistency="strong")
        assert await runtime.query("balances", "balance", {"account": stream}) is None
        with pytest.raises(bank.NotOpen):
            await runtime.dispatch(bank.Deposit(account_id=ada, amount=1))
        with pytest.raises(StreamNotFound):
            await runtime.load(bank.Account, uuid4())


async def test_unknown_projections_queries_and_arguments_are_refused(dsn: str) -> None:
    async with Runtime(bank.domain, store=dsn) as runtime:
        for names in (("nothing", "balance"), ("balances", "nothing")):
            with pytest.raises(UnknownQuery):
                await runtime.query(*names, {})
        with pytest.raises(InvalidArgument):
            await runtime.query("balances", "balance", {"wrong": 1})
