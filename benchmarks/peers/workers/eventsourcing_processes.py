"""Transfers by the library `eventsourcing`: two applications that follow each other.

It is not installed where this file is type-checked, hence the imports by name.
"""

import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from uuid import UUID

from benchmarks.measure import Rate
from benchmarks.peers.wire import Measured

Aggregate: Any = import_module("eventsourcing.domain").Aggregate
event: Any = import_module("eventsourcing.domain").event
ProcessApplication: Any = import_module("eventsourcing.system").ProcessApplication
Runner: Any = import_module("eventsourcing.system").MultiThreadedRunner
System: Any = import_module("eventsourcing.system").System
dispatched: Any = import_module("eventsourcing.dispatch").singledispatchmethod

STEPS = 3
"""Of each transfer: it leads to a withdrawal, to a deposit, and ends."""
INSTANCES = 200
MOVES = ["requested", "withdrawn", "deposited"]


class Transfer(Aggregate):
    """What a process manager keeps, and what happened to it."""

    @event("Requested")
    def __init__(self, source: UUID, target: UUID, amount: int) -> None:
        self.source = source
        self.target = target
        self.amount = amount
        self.moves = ["requested"]

    @event("Paid")
    def paid(self, target: UUID, amount: int) -> None:
        self.moves.append("withdrawn")

    @event("Ended")
    def ended(self) -> None:
        self.moves.append("deposited")


class Account(Aggregate):
    @event("Opened")
    def __init__(self, name: str) -> None:
        self.name = name
        self.balance = 0
        self.moved = 0

    @event("Withdrawn")
    def withdraw(self, transfer: UUID, amount: int) -> None:
        self.balance -= amount
        self.moved += 1

    @event("Deposited")
    def deposit(self, transfer: UUID, amount: int) -> None:
        self.balance += amount
        self.moved += 1


class Transfers(ProcessApplication):
    @dispatched
    def policy(self, domain_event: Any, processing_event: Any) -> None:
        """Other events lead to nothing."""

    @policy.register(Account.Withdrawn)
    def _(self, domain_event: Any, processing_event: Any) -> None:
        transfer = self.repository.get(domain_event.transfer)
        transfer.paid(transfer.target, transfer.amount)
        processing_event.collect_events(transfer)

    @policy.register(Account.Deposited)
    def _(self, domain_event: Any, processing_event: Any) -> None:
        transfer = self.repository.get(domain_event.transfer)
        transfer.ended()
        processing_event.collect_events(transfer)


class Accounts(ProcessApplication):
    @dispatched
    def policy(self, domain_event: Any, processing_event: Any) -> None:
        """Other events lead to nothing."""

    @policy.register(Transfer.Requested)
    def _(self, domain_event: Any, processing_event: Any) -> None:
        account = self.repository.get(domain_event.source)
        account.withdraw(domain_event.originator_id, domain_event.amount)
        processing_event.collect_events(account)

    @policy.register(Transfer.Paid)
    def _(self, domain_event: Any, processing_event: Any) -> None:
        account = self.repository.get(domain_event.target)
        account.deposit(domain_event.originator_id, domain_event.amount)
        processing_event.collect_events(account)


def steps(environment: Mapping[str, str], seconds: float) -> Measured:
    """Let the applications make the steps of transfers that were requested before.

    Of its runners, this one was the fastest here.
    """
    requests, accounts = Transfers(env=environment), Accounts(env=environment)
    name = f"{time.time()}"
    opened = [Account(name=f"{name}-{number}") for number in range(INSTANCES)]
    asked = [
        Transfer(account.id, opened[number - 1].id, 7) for number, account in enumerate(opened)
    ]
    for account in opened:
        accounts.save(account)
    for transfer in asked[:-1]:
        requests.save(transfer)
    requests.close()
    accounts.close()
    runner = Runner(System(pipes=[[Transfers, Accounts, Transfers]]), env=environment)
    runner.start()
    transfers = runner.get(Transfers)
    started = time.perf_counter()
    transfers.save(asked[-1])  # wakes the runner, which goes on from what it had processed
    ended = 0
    while ended < INSTANCES and time.perf_counter() - started < seconds:
        time.sleep(0.1)
        while ended < INSTANCES and _moves(transfers, asked[ended]) == MOVES:
            ended += 1
    elapsed = time.perf_counter() - started
    runner.stop()
    transfers, accounts = Transfers(env=environment), Accounts(env=environment)
    moves = [_moves(transfers, each) for each in asked]
    moved = [_moved(accounts, each) for each in opened]
    transfers.close()
    accounts.close()
    done = sum(moved) + moves.count(MOVES)
    wrong = sum(MOVES[: len(each)] != each for each in moves) + sum(each > 2 for each in moved)
    faults = [f"{wrong} transfers or accounts moved twice or out of order"] if wrong else ()
    wanted = STEPS * INSTANCES
    note = f"stopped after {done} of {wanted} steps" if done < wanted else ""
    return Measured(Rate(done, elapsed), faults, note)


def _moves(transfers: Any, transfer: Any) -> list[str]:
    return transfers.repository.get(transfer.id).moves


def _moved(accounts: Any, account: Any) -> int:
    """How often money was withdrawn from an account, or deposited; in the end once each."""
    return accounts.repository.get(account.id).moved
