"""A bank: accounts are opened, money moves between them, and a read model follows."""

from collections.abc import Iterable
from dataclasses import field
from datetime import timedelta
from typing import Any
from uuid import UUID

from chekov import (
    Aggregate,
    Command,
    Connection,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    ProcessManager,
    Projection,
    Rejected,
    Schedule,
    Timer,
    Transaction,
    apply,
    execute,
    expired,
    finish,
    handle,
    proceed,
    query,
    rejected,
    start,
)

APPROVAL_ABOVE = 10_000
"""A transfer of more than this is approved by somebody, or undone."""

APPROVAL_TIME = timedelta(days=1)

NOBODY = UUID(int=0)

INTEREST_PERCENT = 3
"""For a year; a twelfth of it is paid each month."""


class AccountOpened(Event):
    owner: str


class MoneyDeposited(Event, name="money-deposited"):
    amount: int


class MoneyWithdrawn(Event, name="money-withdrawn"):
    amount: int


class MoneyReserved(Event):
    transfer_id: UUID
    amount: int


class ReservationSettled(Event):
    transfer_id: UUID


class ReservationReleased(Event):
    transfer_id: UUID
    amount: int


class TransferReceived(Event):
    transfer_id: UUID
    amount: int


class InterestPaid(Event):
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


class Reserve(Command[MoneyReserved]):
    """Set money of a transfer's source aside."""

    account_id: Identifier[UUID]
    transfer_id: UUID
    amount: int


class Settle(Command[ReservationSettled]):
    """Let the money go that was set aside."""

    account_id: Identifier[UUID]
    transfer_id: UUID


class Release(Command[ReservationReleased]):
    """Give the money back that was set aside."""

    account_id: Identifier[UUID]
    transfer_id: UUID


class Receive(Command[TransferReceived]):
    """Add the money of a transfer to its target."""

    account_id: Identifier[UUID]
    transfer_id: UUID
    amount: int


class PayInterest(Command[InterestPaid]):
    """Pay the interest of a month."""

    account_id: Identifier[UUID]


class CloseAccount(Command[AccountClosed]):
    account_id: Identifier[UUID]


class NotOpen(Rejected):
    """The account is not open."""


class Overdrawn(Rejected):
    """The balance does not cover the amount."""


class Account(Aggregate, identity="account"):
    owner: str | None = None
    balance: int = 0
    reserved: dict[UUID, int] = field(default_factory=dict[UUID, int])
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
    def reserve(self, command: Reserve) -> Iterable[MoneyReserved]:
        self._require_open(command.amount)
        if command.amount > self.balance:
            raise Overdrawn
        yield MoneyReserved(transfer_id=command.transfer_id, amount=command.amount)

    @execute
    def settle(self, command: Settle) -> Iterable[ReservationSettled]:
        if command.transfer_id in self.reserved:
            yield ReservationSettled(transfer_id=command.transfer_id)

    @execute
    def release(self, command: Release) -> Iterable[ReservationReleased]:
        if command.transfer_id in self.reserved:
            amount = self.reserved[command.transfer_id]
            yield ReservationReleased(transfer_id=command.transfer_id, amount=amount)

    @execute
    def receive(self, command: Receive) -> Iterable[TransferReceived]:
        self._require_open(command.amount)
        yield TransferReceived(transfer_id=command.transfer_id, amount=command.amount)

    @execute
    def pay_interest(self, command: PayInterest) -> Iterable[InterestPaid]:
        self._require_open(1)
        amount = self.balance * INTEREST_PERCENT // 1200
        if amount:
            yield InterestPaid(amount=amount)

    @execute
    def close(self, command: CloseAccount) -> Iterable[AccountClosed]:
        self._require_open(1)
        if self.balance:
            raise Rejected(f"withdraw the remaining {self.balance} first")
        if self.reserved:
            raise Rejected("a transfer from this account is under way")
        yield AccountClosed()

    @apply
    def was_opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @apply
    def was_paid(self, event: MoneyDeposited | MoneyWithdrawn) -> None:
        self.balance += event.amount if isinstance(event, MoneyDeposited) else -event.amount

    @apply
    def was_reserved(self, event: MoneyReserved) -> None:
        self.balance -= event.amount
        self.reserved[event.transfer_id] = event.amount

    @apply
    def was_settled(self, event: ReservationSettled) -> None:
        del self.reserved[event.transfer_id]

    @apply
    def was_released(self, event: ReservationReleased) -> None:
        self.balance += self.reserved.pop(event.transfer_id)

    @apply
    def was_received(self, event: TransferReceived) -> None:
        self.balance += event.amount

    @apply
    def earned_interest(self, event: InterestPaid) -> None:
        self.balance += event.amount

    @apply
    def was_closed(self, event: AccountClosed) -> None:
        self.closed = True

    def _require_open(self, amount: int) -> None:
        if self.owner is None or self.closed:
            raise NotOpen
        if amount <= 0:
            raise Rejected(f"an amount is at least 1, this one is {amount}")


class TransferRequested(Event):
    transfer_id: UUID
    source: UUID
    target: UUID
    amount: int


class TransferApproved(Event):
    transfer_id: UUID


class TransferCompleted(Event):
    transfer_id: UUID


class TransferFailed(Event):
    transfer_id: UUID
    reason: str


class RequestTransfer(Command[TransferRequested]):
    transfer_id: Identifier[UUID]
    source: UUID
    target: UUID
    amount: int


class ApproveTransfer(Command[TransferApproved]):
    transfer_id: Identifier[UUID]


class CompleteTransfer(Command[TransferCompleted]):
    transfer_id: Identifier[UUID]


class FailTransfer(Command[TransferFailed]):
    transfer_id: Identifier[UUID]
    reason: str


class TransferOrder(Aggregate, identity="transfer"):
    """What was ordered, and what became of it."""

    amount: int = 0
    status: str = "unknown"
    reason: str | None = None

    @execute
    def request(self, command: RequestTransfer) -> Iterable[TransferRequested]:
        if self.status != "unknown":
            raise Rejected("this transfer is requested already")
        if command.source == command.target:
            raise Rejected("a transfer leads to another account")
        if command.amount <= 0:
            raise Rejected(f"an amount is at least 1, this one is {command.amount}")
        yield TransferRequested(
            transfer_id=command.transfer_id,
            source=command.source,
            target=command.target,
            amount=command.amount,
        )

    @execute
    def approve(self, command: ApproveTransfer) -> Iterable[TransferApproved]:
        if self.status != "requested":
            raise Rejected(f"this transfer is {self.status}")
        if self.amount <= APPROVAL_ABOVE:
            raise Rejected(f"only a transfer of more than {APPROVAL_ABOVE} needs approval")
        yield TransferApproved(transfer_id=command.transfer_id)

    @execute
    def complete(self, command: CompleteTransfer) -> Iterable[TransferCompleted]:
        yield TransferCompleted(transfer_id=command.transfer_id)

    @execute
    def fail(self, command: FailTransfer) -> Iterable[TransferFailed]:
        yield TransferFailed(transfer_id=command.transfer_id, reason=command.reason)

    @apply
    def was_requested(self, event: TransferRequested) -> None:
        self.amount = event.amount
        self.status = "requested"

    @apply
    def was_approved(self, event: TransferApproved) -> None:
        self.status = "approved"

    @apply
    def was_completed(self, event: TransferCompleted) -> None:
        self.status = "completed"

    @apply
    def has_failed(self, event: TransferFailed) -> None:
        self.status = "failed"
        self.reason = event.reason


class ApprovalOverdue(Timer):
    transfer_id: UUID


class Transfer(ProcessManager, name="transfer"):
    """Takes the money from one account to the other, or leaves both as they were."""

    source: UUID = NOBODY
    target: UUID = NOBODY
    amount: int = 0
    reserved: bool = False
    approved: bool = False
    decided: bool = False

    @start(by="transfer_id")
    def requested(self, event: TransferRequested) -> Iterable[Command[Any] | Schedule]:
        self.source, self.target, self.amount = event.source, event.target, event.amount
        self.approved = event.amount <= APPROVAL_ABOVE
        yield Reserve(account_id=event.source, transfer_id=event.transfer_id, amount=event.amount)
        if not self.approved:
            yield ApprovalOverdue(transfer_id=event.transfer_id).after(APPROVAL_TIME)

    @proceed(by="transfer_id")
    def was_reserved(self, event: MoneyReserved) -> Iterable[Command[Any]]:
        self.reserved = True
        yield from self._pay(event.transfer_id)

    @proceed(by="transfer_id")
    def was_approved(self, event: TransferApproved) -> Iterable[Command[Any] | Schedule]:
        self.approved = True
        yield ApprovalOverdue.cancel()
        yield from self._pay(event.transfer_id)

    @proceed(by="transfer_id")
    def was_received(self, event: TransferReceived) -> Iterable[Command[Any]]:
        yield Settle(account_id=self.source, transfer_id=event.transfer_id)
        yield CompleteTransfer(transfer_id=event.transfer_id)

    @rejected
    def cannot_reserve(self, command: Reserve, reason: Rejected) -> Iterable[Command[Any]]:
        yield from self._undo(command.transfer_id, f"source: {reason}")

    @rejected
    def cannot_receive(self, command: Receive, reason: Rejected) -> Iterable[Command[Any]]:
        yield from self._undo(command.transfer_id, f"target: {reason}")

    @expired
    def overdue(self, timer: ApprovalOverdue) -> Iterable[Command[Any]]:
        if not self.decided:
            yield from self._undo(timer.transfer_id, "it was not approved in time")

    @finish(by="transfer_id")
    def was_completed(self, event: TransferCompleted) -> None: ...

    @finish(by="transfer_id")
    def has_failed(self, event: TransferFailed) -> None: ...

    def _pay(self, transfer_id: UUID) -> Iterable[Command[Any]]:
        if self.reserved and self.approved and not self.decided:
            self.decided = True
            yield Receive(account_id=self.target, transfer_id=transfer_id, amount=self.amount)

    def _undo(self, transfer_id: UUID, reason: str) -> Iterable[Command[Any]]:
        self.decided = True
        yield Release(account_id=self.source, transfer_id=transfer_id)
        yield FailTransfer(transfer_id=transfer_id, reason=reason)


class Interest(EventHandler, name="interest"):
    """Has interest paid at the first of every month, from the opening of an account to its end."""

    @handle
    async def opened(self, event: AccountOpened, context: Context) -> None:
        await context.schedule(
            PayInterest(account_id=context.identifier),
            cron="0 0 1 * *",
            timezone="Europe/Berlin",
            id=context.identifier,
        )

    @handle
    async def closed(self, event: AccountClosed, context: Context) -> None:
        await context.cancel(context.identifier)


class Balances(Projection, name="balances", version=1):
    tables = "create table balances (account text primary key, balance bigint not null)"

    @handle
    async def changed(
        self,
        event: AccountOpened
        | MoneyDeposited
        | MoneyWithdrawn
        | MoneyReserved
        | ReservationReleased
        | TransferReceived
        | InterestPaid,
        transaction: Transaction,
    ) -> None:
        match event:
            case AccountOpened():
                change = 0
            case MoneyDeposited() | ReservationReleased() | TransferReceived() | InterestPaid():
                change = event.amount
            case MoneyWithdrawn() | MoneyReserved():
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


domain = Domain(
    "bank", aggregates=[Account, TransferOrder], handlers=[Balances(), Transfer(), Interest()]
)
