"""Transfers and interest of the example bank: the money is moved once, or stays where it was."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from chekov import Domain, EventHandler, MemoryStore, Rejected, Runtime
from chekov.engine.processes.schedule_control import ScheduledStatus
from chekov.testing import ProcessSpec, Spec
from examples.bank.bank import (
    APPROVAL_ABOVE,
    APPROVAL_TIME,
    INTEREST_PERCENT,
    Account,
    AccountOpened,
    ApprovalOverdue,
    ApproveTransfer,
    CloseAccount,
    CompleteTransfer,
    Deposit,
    FailTransfer,
    Interest,
    InterestPaid,
    MoneyDeposited,
    MoneyReserved,
    NotOpen,
    OpenAccount,
    Overdrawn,
    PayInterest,
    Receive,
    Release,
    RequestTransfer,
    Reserve,
    Settle,
    Transfer,
    TransferApproved,
    TransferCompleted,
    TransferFailed,
    TransferOrder,
    TransferReceived,
    TransferRequested,
    Withdraw,
)
from tests.waiting import until

ADA, BEA, ORDER = uuid4(), uuid4(), uuid4()
LARGE = APPROVAL_ABOVE + 1

requested = TransferRequested(transfer_id=ORDER, source=ADA, target=BEA, amount=7)
reserve = Reserve(account_id=ADA, transfer_id=ORDER, amount=7)
reserved = MoneyReserved(transfer_id=ORDER, amount=7)
receive = Receive(account_id=BEA, transfer_id=ORDER, amount=7)
release = Release(account_id=ADA, transfer_id=ORDER)

large = TransferRequested(transfer_id=ORDER, source=ADA, target=BEA, amount=LARGE)
large_reserved = MoneyReserved(transfer_id=ORDER, amount=LARGE)
approved = TransferApproved(transfer_id=ORDER)
overdue = ApprovalOverdue(transfer_id=ORDER)
in_time = overdue.after(APPROVAL_TIME)


def failed(reason: str) -> FailTransfer:
    return FailTransfer(transfer_id=ORDER, reason=reason)


def test_a_transfer_reserves_pays_and_settles() -> None:
    spec = ProcessSpec(Transfer)
    assert spec.when(requested) == [reserve]
    assert spec.given(requested).when(reserved) == [receive]
    paid = spec.given(requested, reserved)
    assert paid.when(TransferReceived(transfer_id=ORDER, amount=7)) == [
        Settle(account_id=ADA, transfer_id=ORDER),
        CompleteTransfer(transfer_id=ORDER),
    ]
    assert not paid.given(TransferCompleted(transfer_id=ORDER)).instances
    assert not paid.given(TransferFailed(transfer_id=ORDER, reason="")).instances


def test_a_refusal_by_either_account_undoes_the_transfer() -> None:
    spec = ProcessSpec(Transfer).given(requested)
    assert spec.when_rejected(reserve, Overdrawn()) == [
        release,
        failed("source: The balance does not cover the amount."),
    ]
    assert spec.given(reserved).when_rejected(receive, NotOpen()) == [
        release,
        failed("target: The account is not open."),
    ]


def test_a_large_transfer_waits_for_approval() -> None:
    spec = ProcessSpec(Transfer)
    pay = Receive(account_id=BEA, transfer_id=ORDER, amount=LARGE)
    assert spec.when(large)[1:] == [in_time]
    assert spec.given(large).when(large_reserved) == []
    assert spec.given(large, large_reserved).when(approved) == [ApprovalOverdue.cancel(), pay]
    assert spec.given(large).when(approved) == [ApprovalOverdue.cancel()]
    assert spec.given(large, approved).when(large_reserved) == [pay]


def test_a_large_transfer_that_nobody_approves_in_time_is_undone() -> None:
    spec = ProcessSpec(Transfer).given(large)
    undone = [release, failed("it was not approved in time")]
    assert spec.when(overdue) == undone
    assert spec.given(large_reserved).when(overdue) == undone
    late = spec.given(large_reserved, overdue)
    assert late.when(approved) == [ApprovalOverdue.cancel()]
    assert spec.given(overdue).when(large_reserved) == []
    assert spec.given(large_reserved, approved).when(overdue) == []


def test_an_account_closes_once_nothing_is_reserved() -> None:
    account = Spec(Account).given(AccountOpened(owner="Ada"), MoneyDeposited(amount=7), reserved)
    with pytest.raises(Rejected, match="under way"):
        account.when(CloseAccount(account_id=ADA))
    with pytest.raises(Overdrawn):
        account.when(Withdraw(account_id=ADA, amount=1))
    assert Spec(Account).given(AccountOpened(owner="Ada")).when(release) == []


@pytest.mark.parametrize(("balance", "interest"), [(12_000, [30]), (400, [1]), (399, [])])
def test_interest_is_paid_on_the_balance(balance: int, interest: list[int]) -> None:
    account = Spec(Account).given(AccountOpened(owner="Ada"), MoneyDeposited(amount=balance))
    paid = account.when(PayInterest(account_id=ADA))
    assert paid == [InterestPaid(amount=amount) for amount in interest]
    assert account.given(*paid).state.balance == balance + sum(interest)
    with pytest.raises(NotOpen):
        Spec(Account).when(PayInterest(account_id=ADA))


@pytest.mark.parametrize(
    ("target", "amount", "reason"),
    [(ADA, 1, "another account"), (BEA, 0, "at least 1")],
)
def test_a_transfer_that_makes_no_sense_is_refused(target: UUID, amount: int, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        Spec(TransferOrder).when(
            RequestTransfer(transfer_id=ORDER, source=ADA, target=target, amount=amount)
        )


def test_only_a_large_transfer_that_waits_is_approved() -> None:
    approve = ApproveTransfer(transfer_id=ORDER)
    assert Spec(TransferOrder).given(large).when(approve) == [approved]
    for history in ([], [requested], [large, approved]):
        with pytest.raises(Rejected):
            Spec(TransferOrder).given(*history).when(approve)
    with pytest.raises(Rejected, match="already"):
        Spec(TransferOrder).given(large).when(
            RequestTransfer(transfer_id=ORDER, source=ADA, target=BEA, amount=1)
        )


class Clock:
    now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def bank(clock: Clock, handler: EventHandler) -> AsyncGenerator[Runtime]:
    """The bank with one of its handlers, in memory; Ada has twice a large amount, Bea nothing."""
    domain = Domain("bank", aggregates=[Account, TransferOrder], handlers=[handler])
    async with Runtime(domain, store=MemoryStore(clock=clock)) as runtime:
        for account, owner in ((ADA, "Ada"), (BEA, "Bea")):
            await runtime.dispatch(OpenAccount(account_id=account, owner=owner))
        await runtime.dispatch(Deposit(account_id=ADA, amount=2 * LARGE))
        yield runtime


async def transfer(runtime: Runtime, target: UUID, amount: int) -> UUID:
    order = uuid4()
    await runtime.dispatch(
        RequestTransfer(transfer_id=order, source=ADA, target=target, amount=amount)
    )
    return order


async def ended(runtime: Runtime, order: UUID) -> tuple[str, str | None]:
    """How a transfer ended, once it has."""

    async def found() -> tuple[str, str | None]:
        state = (await runtime.load(TransferOrder, order)).state
        return state.status, state.reason

    async def is_over() -> bool:
        return (await found())[0] in ("completed", "failed")

    await until(is_over)
    return await found()


async def accounts(runtime: Runtime) -> list[tuple[int, bool]]:
    """The balance of each account, and whether money is reserved."""
    states = [(await runtime.load(Account, account)).state for account in (ADA, BEA)]
    return [(state.balance, bool(state.reserved)) for state in states]


async def test_money_is_moved_or_stays() -> None:
    async with bank(Clock(), Transfer()) as runtime:
        order = await transfer(runtime, BEA, 7)
        assert await ended(runtime, order) == ("completed", None)
        assert await accounts(runtime) == [(2 * LARGE - 7, False), (7, False)]
        order = await transfer(runtime, uuid4(), 7)
        assert await ended(runtime, order) == ("failed", "target: The account is not open.")
        order = await transfer(runtime, BEA, 5 * LARGE)
        reason = "source: The balance does not cover the amount."
        assert await ended(runtime, order) == ("failed", reason)
        assert await accounts(runtime) == [(2 * LARGE - 7, False), (7, False)]


async def monthly_of(runtime: Runtime, account: UUID) -> list[ScheduledStatus]:
    """The recurring payment of interest of an account, if there is one."""
    return [item for item in await runtime.scheduled.list() if item.id == account]


async def test_interest_is_paid_at_the_first_of_every_month_until_the_account_is_closed() -> None:
    clock = Clock()
    async with bank(clock, Interest()) as runtime:
        await until(lambda: monthly_of(runtime, ADA))
        balance = 2 * LARGE
        for _ in range(3):
            [monthly] = await monthly_of(runtime, ADA)
            local = monthly.due.astimezone(ZoneInfo("Europe/Berlin"))
            assert (local.day, local.hour) == (1, 0)
            clock.now = monthly.due
            balance += balance * INTEREST_PERCENT // 1200

            async def is_paid(expected: int = balance) -> bool:
                return (await accounts(runtime))[0] == (expected, False)

            await until(is_paid)
        await runtime.dispatch(Withdraw(account_id=ADA, amount=balance))
        await runtime.dispatch(CloseAccount(account_id=ADA))

        async def is_cancelled() -> bool:
            return not await monthly_of(runtime, ADA)

        await until(is_cancelled)
        assert await monthly_of(runtime, BEA)


async def test_a_large_transfer_is_approved_or_undone_after_a_day() -> None:
    clock = Clock()
    async with bank(clock, Transfer()) as runtime:
        order = await transfer(runtime, BEA, LARGE)
        await runtime.dispatch(ApproveTransfer(transfer_id=order))
        assert await ended(runtime, order) == ("completed", None)
        order = await transfer(runtime, BEA, LARGE)

        async def is_reserved() -> bool:
            return (await accounts(runtime))[0] == (0, True)

        await until(is_reserved)
        clock.now += APPROVAL_TIME + timedelta(seconds=1)
        assert await ended(runtime, order) == ("failed", "it was not approved in time")
        assert await accounts(runtime) == [(LARGE, False), (LARGE, False)]
