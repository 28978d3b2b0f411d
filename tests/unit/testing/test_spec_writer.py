"""A test that is written from stored events runs, and says what was decided."""

import sys
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID, uuid4

import pytest

from chekov import (
    FORGOTTEN,
    Aggregate,
    Boundary,
    Command,
    Domain,
    Event,
    HistoryTruncated,
    Identifier,
    InvalidArgument,
    MemoryStore,
    Personal,
    Principal,
    RecordedEvent,
    Runtime,
    Scope,
    StreamNotFound,
    Tag,
    WrongExpectedVersion,
    apply,
    execute,
    scope,
)
from chekov.testing.python_source import PythonSource
from chekov.testing.spec_writer import history_until, write_spec
from examples.bank.bank import Account, Deposit, OpenAccount, Withdraw
from tests.unit.engine.commands.test_contexts import Copy, Lend

ACCOUNT = UUID("0192f0c1-0000-7000-8000-000000000001")


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Line:
    colour: Colour
    price: Decimal
    due: date
    within: timedelta
    tags: frozenset[str] = frozenset()


class Ordered(Event):
    lines: tuple[Line, ...]
    notes: dict[str, list[float]]


class Paid(Event):
    total: Decimal
    by: Personal[str]


class Order(Command[Ordered | Paid]):
    order: Identifier[str]
    lines: tuple[Line, ...]
    notes: dict[str, list[float]]
    payer: str


class Round(Command[Paid]):
    order: Identifier[str]


class Orders(Aggregate, identity="orders"):
    total: Decimal = Decimal(0)
    times: list[datetime] = field(default_factory=list[datetime])

    @execute
    def order(self, command: Order) -> Iterable[Ordered | Paid]:
        yield Ordered(lines=command.lines, notes=command.notes)
        yield Paid(total=sum((line.price for line in command.lines), Decimal(0)), by=command.payer)

    @execute
    def round(self, command: Round) -> Iterable[Paid]:
        yield Paid(total=Decimal(round(self.total) * 7), by="nobody")

    @apply
    def ordered(self, event: Ordered) -> None:
        pass

    @apply
    def paid(self, event: Paid) -> None:
        self.total += event.total


class Named(Event):
    name: Tag[str]


class Name(Command[Named]):
    name: Identifier[str]


class Names(Boundary, identity="names"):
    @scope
    def needed(self, command: Name) -> Scope:
        return Scope.of(Named, name=command.name)

    @execute
    def take(self, command: Name) -> Iterable[Named]:
        yield Named(name=command.name)

    @apply
    def named(self, event: Named) -> None:
        pass


DOMAIN = Domain("all", aggregates=[Account, Copy, Orders, Names])
LINES = (Line(Colour.RED, Decimal("1.50"), date(2026, 12, 1), timedelta(hours=3), frozenset("ba")),)


@asynccontextmanager
async def running() -> AsyncGenerator[Runtime]:
    async with Runtime(DOMAIN, store=MemoryStore()) as runtime:
        yield runtime


async def stored(runtime: Runtime, stream: str) -> Sequence[RecordedEvent]:
    return await runtime.store.read_stream(stream)


def run(text: str) -> None:
    """Execute a test module, and the one test in it."""
    assert max(map(len, text.splitlines())) < 400
    module: dict[str, object] = {}
    exec(compile(text, "written", "exec"), module)
    [test] = [item for name, item in module.items() if name.startswith("test_")]
    assert callable(test)
    test()


async def test_the_command_is_found_by_what_it_yields() -> None:
    async with running() as runtime:
        await runtime.dispatch(OpenAccount(account_id=ACCOUNT, owner='Ada\'s \\ "bank"'))
        await runtime.dispatch(Deposit(account_id=ACCOUNT, amount=10))
        await runtime.dispatch(Withdraw(account_id=ACCOUNT, amount=4))
        history = await stored(runtime, f"account-{ACCOUNT}")
    text = write_spec(DOMAIN, f"account-{ACCOUNT}", history, 3)
    identifier = "UUID('0192f0c1-0000-7000-8000-000000000001')"
    assert (
        text
        == f'''"""account-0192f0c1-0000-7000-8000-000000000001@3, as it was stored."""

from uuid import UUID

from chekov.testing import Spec
from examples.bank.bank import Account, AccountOpened, MoneyDeposited, MoneyWithdrawn, Withdraw


def test_account_at_version_3() -> None:
    spec = Spec(Account).given(
        AccountOpened(owner='Ada\\'s \\\\ "bank"'),
        MoneyDeposited(amount=10),
    )
    assert spec.when(Withdraw(account_id={identifier}, amount=4)) == [
        MoneyWithdrawn(amount=4),
    ]
'''
    )
    for version in (1, 2, 3):
        run(write_spec(DOMAIN, f"account-{ACCOUNT}", history, version))


async def test_the_command_of_several_events_with_values_of_all_kinds_is_found() -> None:
    async with running() as runtime:
        notes = {"a": [1.5, 2.0], "b": []}
        await runtime.dispatch(
            Order(order="1", lines=LINES, notes=notes, payer="ada"), command_id=uuid4()
        )
        history = await stored(runtime, "orders-1")
    for version in (1, 2):
        text = write_spec(DOMAIN, "orders-1", history, version)
        assert "spec.when(Order(" in text
        run(text)


async def test_personal_data_is_not_written() -> None:
    async with running() as runtime:
        await runtime.dispatch(Order(order="1", lines=LINES, notes={}, payer="ada lovelace"))
        history = await stored(runtime, "orders-1")
    text = write_spec(DOMAIN, "orders-1", history, 2)
    assert "lovelace" not in text
    assert "FORGOTTEN" in text
    run(text)


async def test_without_a_command_the_test_is_about_the_state() -> None:
    async with running() as runtime:
        await runtime.dispatch(Order(order="1", lines=LINES, notes={}, payer="ada"))
        await runtime.dispatch(Round(order="1"))  # by nobody, which is personal
        history = await stored(runtime, "orders-1")
    text = write_spec(DOMAIN, "orders-1", history, 3)
    assert "spec.state == Orders(total=Decimal('15.50'), times=[])" in text
    run(text)


async def test_what_a_command_saw_besides_the_state_is_written_too() -> None:
    async with running() as runtime:
        lent = await runtime.dispatch(Lend(copy="1"), principal=Principal("ada"))
        history = await stored(runtime, "copy-1")
    assert lent.events[0].to == "ada"
    text = write_spec(DOMAIN, "copy-1", history, 1)
    assert "Lent(to='ada'" in text
    run(text)


async def test_a_stream_is_read_up_to_the_end_of_the_command() -> None:
    async with running() as runtime:
        for amount in range(3):
            lines = (Line(Colour.RED, Decimal(amount), date(2026, 12, 1), timedelta()),)
            await runtime.dispatch(Order(order="1", lines=lines, notes={}, payer="ada"))
        history = await stored(runtime, "orders-1")

    async def events() -> AsyncIterable[RecordedEvent]:
        for item in history:
            yield item

    assert [item.version for item in await history_until(events(), 3)] == [1, 2, 3, 4]
    assert len(await history_until(events(), 9)) == 6


async def test_what_cannot_be_written_is_said() -> None:
    async with running() as runtime:
        await runtime.dispatch(OpenAccount(account_id=ACCOUNT, owner="Ada"))
        await runtime.dispatch(Deposit(account_id=ACCOUNT, amount=10))
        await runtime.dispatch(Name(name="ada"))
        account = await stored(runtime, f"account-{ACCOUNT}")
        names = await stored(runtime, "names-ada")
    with pytest.raises(StreamNotFound):
        write_spec(DOMAIN, "account-7", [], 1)
    with pytest.raises(WrongExpectedVersion, match="expected version 9, found version 2"):
        write_spec(DOMAIN, f"account-{ACCOUNT}", account, 9)
    with pytest.raises(HistoryTruncated):
        write_spec(DOMAIN, f"account-{ACCOUNT}", account[1:], 2)
    with pytest.raises(InvalidArgument, match="Names is a boundary"):
        write_spec(DOMAIN, "names-ada", names, 1)
    with pytest.raises(InvalidArgument, match="is of no aggregate of the domain"):
        write_spec(Domain("few", aggregates=[Copy]), f"account-{ACCOUNT}", account, 1)


@pytest.mark.parametrize(
    "value",
    [
        None, True, -7, 1.5, float("inf"), "a\n'\"", b"\0", uuid4(), Decimal("1.10"), FORGOTTEN,
        datetime(2026, 12, 1, tzinfo=UTC), date(2026, 12, 1), timedelta(days=-1, seconds=3),
        Colour.RED, LINES[0], (), (1,), [[]], {"a": {1: 2}}, set[int](), frozenset("ab"),
        Principal("ada", {"role": "x"}),
    ],
)  # fmt: skip
def test_a_value_is_written_as_an_expression_that_equals_it(value: object) -> None:
    source = PythonSource()
    written = source.value(value)
    module: dict[str, object] = {}
    exec("\n".join(source.imports()), module)
    assert eval(written, module) == value


def test_classes_of_one_name_are_told_apart() -> None:
    source = PythonSource()
    other = type("Line", (), {"__module__": "elsewhere"})
    assert [source.name(Line), source.name(other), source.name(Line)] == [
        "Line",
        "elsewhere.Line",
        "Line",
    ]
    assert source.imports() == ["import elsewhere", f"from {__name__} import Line"]
    assert __name__ in sys.modules


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a value of the type object"):
        PythonSource().value(object())
