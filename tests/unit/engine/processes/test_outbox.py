"""The outbox sends what was just stored from memory, and what it does not hold from the store."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from chekov import CommandEnvelope, MemoryStore
from chekov.engine.processes.outbox import Outbox
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.errors import DuplicateCommand
from chekov.serialization.codec import Codec
from chekov.store.port import (
    Claim,
    OutgoingCommand,
    ProcessChanges,
    Processes,
    QueuedCommand,
    SubscriptionKey,
)
from tests.unit.engine.processes.transfers import domain
from tests.waiting import until

KEY = SubscriptionKey("bank", "transfer")


class Bank:
    """An outbox over a store in memory, and the ids of what it has executed.

    Attributes:
        answered: what an executed command raises.
        reads: how often it read the store.
        opened: until it is set, no command is executed.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.executed: list[UUID] = []
        self.reads = 0
        self.answered: Exception | None = None
        self.opened = asyncio.Event()
        self.opened.set()
        processes = cast("Processes", _Counting(self, store))
        self.outbox = Outbox(KEY, processes, Codec(domain), self.execute, lambda: None)
        self.claim = Claim(KEY, "", 0, 0, 0)

    async def execute(self, envelope: CommandEnvelope[Any]) -> None:
        await self.opened.wait()
        self.executed.append(envelope.command_id)
        if self.answered is not None:
            raise self.answered

    async def put(self, number: int) -> Sequence[UUID]:
        numbers, commands = await self.store_only(number)
        self.outbox.put(numbers, commands)
        return [command.id for command in commands]

    async def store_only(self, number: int) -> tuple[Sequence[int], Sequence[OutgoingCommand]]:
        commands = [
            OutgoingCommand(
                f"t{n}", UUID(int=1), uuid4(), "Deposit", b'{"account":"a","amount":1}',
                None, None, None,
            )
            for n in range(number)
        ]  # fmt: skip
        changes = ProcessChanges(commands=commands)
        return await self.store.processes.commit(self.claim, 0, changes), commands

    async def has(self, ids: Sequence[UUID]) -> bool:
        return sorted(self.executed) == sorted(ids) and not await self.store.processes.pending(KEY)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        [self.claim] = await self.store.subscriptions.claim("one", [KEY], lease=60)
        valid = asyncio.get_running_loop().time() + 60
        checkpoint = Checkpoint(
            self.claim, self.store.subscriptions, lambda _: None, position=0, valid_until=valid
        )
        task = asyncio.create_task(self.outbox.run(checkpoint))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class _Counting:
    def __init__(self, bank: Bank, store: MemoryStore) -> None:
        self._bank = bank
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.processes, name)

    async def pending(
        self, key: SubscriptionKey, *, after: int = 0, limit: int = 500
    ) -> Sequence[QueuedCommand]:
        self._bank.reads += 1
        return await self._store.processes.pending(key, after=after, limit=limit)


@pytest.fixture
async def bank() -> AsyncGenerator[Bank]:
    async with MemoryStore() as store:
        await store.subscriptions.register([KEY])
        yield Bank(store)


async def test_what_was_just_stored_is_not_read_back(bank: Bank) -> None:
    async with bank.running():
        await until(lambda: bank.reads)
        ids = [*await bank.put(3), *await bank.put(2)]
        await until(lambda: bank.has(ids))
        assert bank.reads == 1


async def test_what_is_stored_while_it_does_not_run_is_sent_once_it_does(bank: Bank) -> None:
    async with bank.running():
        ids = list(await bank.put(2))
        await until(lambda: bank.has(ids))
    ids += await bank.put(2)
    async with bank.running():
        ids += await bank.put(2)
        await until(lambda: bank.has(ids))


async def test_more_than_it_holds_waits_in_the_store(bank: Bank) -> None:
    bank.opened.clear()
    async with bank.running():
        ids: list[UUID] = []
        for _ in range(6):
            ids += await bank.put(600)
        await until(lambda: bank.reads > 1)
        bank.opened.set()
        await until(lambda: bank.has(ids))
        ids += await bank.put(1)
        await until(lambda: bank.has(ids))


async def test_what_was_read_before_it_is_put_is_sent_once(bank: Bank) -> None:
    async with bank.running():
        await until(lambda: bank.reads)
    numbers, commands = await bank.store_only(3)
    async with bank.running():
        ids = [command.id for command in commands]
        await until(lambda: bank.has(ids))
        bank.outbox.put(numbers, commands)
        ids += await bank.put(2)
        await until(lambda: len(bank.executed) >= len(ids) and bank.has(ids))
        assert len(bank.executed) == len(ids)


async def test_a_command_that_was_answered_meanwhile_is_not_sent_again(bank: Bank) -> None:
    bank.answered = DuplicateCommand(uuid4())
    async with bank.running():
        ids = await bank.put(2)
        await until(lambda: bank.has(ids))
