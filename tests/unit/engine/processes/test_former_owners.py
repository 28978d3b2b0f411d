"""A process that stopped while it owned a process manager, and comes back after its time."""

import asyncio
from typing import Any

import pytest

from chekov import CommandEnvelope, Dispatched, Domain, MemoryStore, Runtime
from chekov.domain.middleware import Next
from chekov.errors import DuplicateCommand
from tests.unit.engine.processes.test_process_managers import bank, is_idle, outcomes, request
from tests.unit.engine.processes.transfers import (
    Account,
    Deposit,
    Transfer,
    TransferRequest,
    Withdraw,
)
from tests.waiting import until


class Stopped:
    """Middleware in which the process stops before each withdrawal, to go on with it later.

    Whatever becomes of the command's task meanwhile, as the loop does not run in a stopped process.
    """

    def __init__(self) -> None:
        self.resumed = asyncio.Event()
        self.commands: list[asyncio.Task[Dispatched[Any]]] = []

    async def __call__(self, envelope: CommandEnvelope[Any], proceed: Next) -> Dispatched[Any]:
        if not isinstance(envelope.command, Withdraw):
            return await proceed(envelope)
        self.commands.append(asyncio.create_task(self._later(envelope, proceed)))
        return await asyncio.shield(self.commands[-1])

    async def _later(self, envelope: CommandEnvelope[Any], proceed: Next) -> Dispatched[Any]:
        await self.resumed.wait()
        return await proceed(envelope)


async def test_a_command_is_not_stored_after_its_refusal_was_handled() -> None:
    store = MemoryStore()
    stopped = Stopped()
    former = Domain(
        "bank", aggregates=[Account, TransferRequest], handlers=[Transfer()], middleware=[stopped]
    )
    async with Runtime(former, store=store) as owner:
        await request(owner)
        await until(lambda: stopped.commands)
        await owner.drain(timeout=0)
        async with bank(store) as runtime:
            await until(lambda: outcomes(runtime, "t"))
            assert await outcomes(runtime, "t") == ("refused: 7 missing",)
            # By now there is money, so the former owner's command would be executed.
            await runtime.dispatch(Deposit(account="a", amount=100))
            stopped.resumed.set()
            [command] = stopped.commands
            with pytest.raises(DuplicateCommand):
                await command
            await until(lambda: is_idle(runtime))
            assert (await runtime.load(Account, "a")).state.balance == 100


async def test_a_command_that_the_former_owner_stored_is_not_sent_again() -> None:
    store = MemoryStore()
    stopped = Stopped()
    former = Domain(
        "bank", aggregates=[Account, TransferRequest], handlers=[Transfer()], middleware=[stopped]
    )
    async with Runtime(former, store=store) as owner:
        await owner.dispatch(Deposit(account="a", amount=10))
        await request(owner)
        await until(lambda: stopped.commands)
        await owner.drain(timeout=0)
        stopped.resumed.set()
        await stopped.commands[0]
        async with bank(store) as runtime:
            await until(lambda: outcomes(runtime, "t"))
            assert await outcomes(runtime, "t") == ("done",)
            assert (await runtime.load(Account, "a")).state.balance == 3
