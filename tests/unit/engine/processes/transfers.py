"""Accounts and transfers between them: a process manager with compensation and a deadline."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from chekov import (
    Aggregate,
    Command,
    Domain,
    Event,
    Identifier,
    ProcessManager,
    Rejected,
    Schedule,
    Timer,
    apply,
    execute,
    expired,
    finish,
    proceed,
    rejected,
    start,
)
from chekov.serialization.codec import decode_metadata
from chekov.store.port import Store

DONE = ["Requested", "Withdrawn a", "Deposited b", "done"]
UNDONE = ["Requested", "Withdrawn a", "Deposited a", "undone"]
REFUSED = ["Requested", "refused: 7 missing"]
"""The movements of a transfer, of one to a closed account, and of one without money."""

PATIENCE = timedelta(minutes=5)


class Requested(Event):
    transfer: str
    source: str
    target: str
    amount: int


class Ended(Event):
    transfer: str
    outcome: str


class Withdrawn(Event):
    transfer: str | None
    amount: int


class Deposited(Event):
    transfer: str | None
    amount: int


class Request(Command[Requested]):
    transfer: Identifier[str]
    source: str
    target: str
    amount: int


class End(Command[Ended]):
    transfer: Identifier[str]
    outcome: str


class Withdraw(Command[Withdrawn]):
    account: Identifier[str]
    amount: int
    transfer: str | None = None


class Deposit(Command[Deposited]):
    account: Identifier[str]
    amount: int
    transfer: str | None = None


class Overdrawn(Rejected):
    """The balance does not cover the amount."""

    def __init__(self, missing: int) -> None:
        super().__init__(f"{missing} are missing")
        self.missing = missing


class TransferRequest(Aggregate, identity="transfer"):
    outcomes: tuple[str, ...] = ()
    requested: int = 0

    @execute
    def request(self, command: Request) -> Iterable[Requested]:
        yield Requested(
            transfer=command.transfer,
            source=command.source,
            target=command.target,
            amount=command.amount,
        )

    @execute
    def end(self, command: End) -> Iterable[Ended]:
        yield Ended(transfer=command.transfer, outcome=command.outcome)

    @apply
    def was_requested(self, event: Requested) -> None:
        self.requested += 1

    @apply
    def has_ended(self, event: Ended) -> None:
        self.outcomes += (event.outcome,)


class Account(Aggregate, identity="account"):
    balance: int = 0
    moves: int = 0

    @execute
    def withdraw(self, command: Withdraw) -> Iterable[Withdrawn]:
        if command.amount > self.balance:
            raise Overdrawn(command.amount - self.balance)
        yield Withdrawn(transfer=command.transfer, amount=command.amount)

    @execute
    def deposit(self, command: Deposit) -> Iterable[Deposited]:
        if command.account.startswith("closed"):
            raise Rejected("it is closed")
        if command.account.startswith("broken"):
            raise ZeroDivisionError(command.account)
        yield Deposited(transfer=command.transfer, amount=command.amount)

    @apply
    def moved(self, event: Withdrawn | Deposited) -> None:
        self.moves += 1
        self.balance += event.amount if isinstance(event, Deposited) else -event.amount


class TooLate(Timer):
    patience: int = 0


class Transfer(ProcessManager, name="transfer"):
    source: str = ""
    target: str = ""
    amount: int = 0
    step: str = ""

    @start(by="transfer")
    def requested(self, event: Requested) -> Iterable[Command[Any] | Schedule]:
        self.source, self.target, self.amount = event.source, event.target, event.amount
        self.step = "withdrawing"
        yield Withdraw(account=event.source, amount=event.amount, transfer=event.transfer)
        yield TooLate(patience=5).after(PATIENCE)

    @proceed(by="transfer")
    def withdrawn(self, event: Withdrawn) -> Iterable[Command[Any]]:
        self.step = "depositing"
        yield Deposit(account=self.target, amount=self.amount, transfer=event.transfer)

    @proceed(by="transfer")
    def deposited(self, event: Deposited) -> Sequence[Command[Any]]:
        outcome = "undone" if self.step == "undoing" else "done"
        return [End(transfer=event.transfer or "", outcome=outcome)]

    @rejected
    def refused(self, command: Withdraw | Deposit, reason: Rejected) -> Iterable[Command[Any]]:
        transfer = command.transfer or ""
        if isinstance(command, Deposit):
            self.step = "undoing"
            yield Deposit(account=self.source, amount=self.amount, transfer=transfer)
        else:
            missing = reason.missing if isinstance(reason, Overdrawn) else None
            yield End(transfer=transfer, outcome=f"refused: {missing} missing")

    @expired
    def too_late(self, timer: TooLate) -> Iterable[Command[Any]]:
        self.step = f"late after {timer.patience}"
        return ()

    @finish(by="transfer")
    def ended(self, event: Ended) -> None: ...


domain = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Transfer()])


async def movements(store: Store) -> dict[str, list[str]]:
    """What happened for each transfer, in the order of the log."""
    found: dict[str, list[str]] = {}
    async for event in store.read_all():
        data = decode_metadata(event.data)
        if data["transfer"] is not None:
            place = "" if event.stream.startswith("transfer") else event.stream[8]
            what = f"{event.type} {place}".strip()
            found.setdefault(data["transfer"], []).append(data.get("outcome", what))
    return found
