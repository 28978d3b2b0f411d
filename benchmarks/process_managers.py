"""Process managers at work: many instances, three steps each, in one process.

The instances are requested while nothing handles events. Then one process handles everything: each
instance withdraws, deposits, and ends. The accounts have been used before, by another process.
"""

import asyncio
import random
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from benchmarks.history import HistoryError
from benchmarks.measure import Rate, tune_gc
from chekov import (
    Aggregate,
    Command,
    Domain,
    Event,
    Identifier,
    ProcessManager,
    RecordedEvent,
    Runtime,
    apply,
    execute,
    finish,
    proceed,
    start,
)
from chekov.serialization.codec import decode_metadata
from chekov.store.port import Store

STEPS = 3
"""Reactions of an instance: each to one event, and the first two with a command."""
MOVES = ["Requested", "Withdrawn", "Deposited"]
"""What happens for each transfer."""
_AT_ONCE = 200


class Requested(Event):
    transfer: str
    source: str
    target: str
    amount: int


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


class Withdraw(Command[Withdrawn]):
    account: Identifier[str]
    transfer: str | None
    amount: int


class Deposit(Command[Deposited]):
    account: Identifier[str]
    transfer: str | None
    amount: int


class TransferRequest(Aggregate, identity="transfer"):
    requested: bool = False

    @execute
    def request(self, command: Request) -> Iterable[Requested]:
        yield Requested(
            transfer=command.transfer,
            source=command.source,
            target=command.target,
            amount=command.amount,
        )

    @apply
    def was_requested(self, event: Requested) -> None:
        self.requested = True


class Account(Aggregate, identity="account"):
    balance: int = 0

    @execute
    def withdraw(self, command: Withdraw) -> Iterable[Withdrawn]:
        yield Withdrawn(transfer=command.transfer, amount=command.amount)

    @execute
    def deposit(self, command: Deposit) -> Iterable[Deposited]:
        yield Deposited(transfer=command.transfer, amount=command.amount)

    @apply
    def moved(self, event: Withdrawn | Deposited) -> None:
        self.balance += event.amount if isinstance(event, Deposited) else -event.amount


class Transfer(ProcessManager, name="transfer"):
    target: str = ""
    amount: int = 0

    @start(by="transfer")
    def requested(self, event: Requested) -> Iterable[Command[Any]]:
        self.target, self.amount = event.target, event.amount
        yield Withdraw(account=event.source, transfer=event.transfer, amount=event.amount)

    @proceed(by="transfer")
    def withdrawn(self, event: Withdrawn) -> Iterable[Command[Any]]:
        yield Deposit(account=self.target, transfer=event.transfer, amount=self.amount)

    @finish(by="transfer")
    def deposited(self, event: Deposited) -> None: ...


@dataclass(frozen=True, slots=True)
class Transfers:
    """The outcome of one measurement.

    Attributes:
        rate: steps of all instances, from the first to the last.
        cpu_seconds: of this process meanwhile.
        streams: events in each stream.
    """

    rate: Rate
    cpu_seconds: float
    streams: Mapping[str, int]


async def transfers(dsn: str | Store, schema: str, instances: int) -> Transfers:
    """Run instances of a process manager from their beginning to their end.

    Raises:
        HistoryError: a command was lost or executed twice, or the order of an instance is wrong.
    """
    # A domain of its own for each measurement: the process manager starts at the end of the log.
    name = f"transfers-{uuid4().hex[:8]}"
    domain = Domain(name, aggregates=[TransferRequest, Account], handlers=[Transfer()])
    async with Runtime(domain, store=dsn, schema=schema, subscriptions=False) as clients:
        before = await clients.store.head()
        await _together([_opening(clients, name, number) for number in range(instances)])
        async with Runtime(domain, store=dsn, schema=schema):
            pass  # registers it
        await _together([_request(clients, name, number, instances) for number in range(instances)])
        requested = await clients.store.head()
    async with Runtime(domain, store=dsn, schema=schema) as runtime:
        tune_gc()
        cpu = time.process_time()
        started = time.perf_counter()
        # The log ends with the deposit of the last one.
        await runtime.wait(requested + 2 * instances, timeout=600)
        rate = Rate(STEPS * instances, time.perf_counter() - started, started=started)
        cpu = time.process_time() - cpu
        return Transfers(rate, cpu, await _checked(runtime, before, name, instances))


async def _together(work: Sequence[Awaitable[object]]) -> None:
    for first in range(0, len(work), _AT_ONCE):
        await asyncio.gather(*work[first : first + _AT_ONCE])


async def _opening(runtime: Runtime, name: str, number: int) -> None:
    await runtime.dispatch(Deposit(account=f"{name}-{number}", transfer=None, amount=1_000))


async def _request(runtime: Runtime, name: str, number: int, instances: int) -> None:
    request = Request(
        transfer=f"{name}-{number}",
        source=f"{name}-{number}",
        target=f"{name}-{random.randrange(instances)}",
        amount=7,
    )
    await runtime.dispatch(request)


async def _checked(runtime: Runtime, after: int, name: str, instances: int) -> Mapping[str, int]:
    """The events in each stream, once each instance was found to have ended as it should."""
    names = [f"{name}-{number}" for number in range(instances)]
    streams = await checked(runtime.store.read_all(after=after), names)
    if left := await runtime.processes.list("transfer"):
        raise HistoryError(f"{left[0].instance} has not ended")
    return streams


async def checked(
    events: AsyncIterator[RecordedEvent], transfers: Iterable[str]
) -> Mapping[str, int]:
    """The events in each stream, if each of `transfers` did each of its steps once and in order.

    Raises:
        HistoryError: one did not.
    """
    moves: dict[str, list[str]] = {transfer: [] for transfer in transfers}
    streams: Tally[str] = Tally()
    async for event in events:
        streams[event.stream] += 1
        transfer = decode_metadata(event.data)["transfer"]
        if transfer is not None:
            moves[transfer].append(event.type)
    wrong = [f"{transfer}: {found}" for transfer, found in moves.items() if found != MOVES]
    if wrong:
        raise HistoryError("; ".join(wrong[:5]))
    return streams
