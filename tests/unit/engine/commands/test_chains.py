"""Waiting for all that follows from a command through process managers."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from chekov import Command, Domain, MemoryStore, ProcessManager, Retry, Runtime, start
from chekov.engine.commands.chains import Chains
from chekov.errors import ConsistencyTimeout, HandlerFailed, StoreUnavailable
from chekov.store.port import ChainedCommands, SubscriptionKey
from tests.unit.engine.processes.transfers import (
    Account,
    Deposit,
    Request,
    Requested,
    Transfer,
    TransferRequest,
    Withdraw,
)

KEY = SubscriptionKey("bank", "transfer")


class Strong(Transfer, name="transfer", consistency="strong"):
    pass


class Careless(ProcessManager, name="careless", consistency="strong"):
    """Has no method for refusals."""

    @start(by="transfer")
    def requested(self, event: Requested) -> Iterable[Command[Any]]:
        yield Withdraw(account=event.source, amount=event.amount)


def bank(manager: ProcessManager) -> Domain:
    return Domain("bank", aggregates=[Account, TransferRequest], handlers=[manager])


def running(store: MemoryStore, manager: ProcessManager) -> Runtime:
    return Runtime(bank(manager), store=store, retry=Retry(attempts=1))


def request(number: int = 0, *, source: str = "a", target: str = "b") -> Request:
    return Request(transfer=f"t{number}", source=source, target=target, amount=7)


async def outcome(runtime: Runtime, number: int = 0) -> str:
    [found] = (await runtime.load(TransferRequest, f"t{number}")).state.outcomes
    return found


async def test_a_strong_dispatch_returns_when_its_chain_is_done() -> None:
    async with running(MemoryStore(), Strong()) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=7), consistency="strong")
        for number, target in enumerate(("b", "closed")):
            await runtime.dispatch(request(number, target=target), consistency="strong")
        # Each was undone or refused by then, which takes a refusal and further commands.
        assert await outcome(runtime, 0) == "done"
        assert await outcome(runtime, 1) == "refused: 7 missing"
        assert not await runtime.processes.list()


async def test_requests_at_the_same_time_wait_for_chains_of_their_own() -> None:
    async with running(MemoryStore(), Strong()) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=700))

        async def transfer(number: int) -> str:
            await runtime.dispatch(request(number), consistency="strong", consistency_timeout=240)
            return await outcome(runtime, number)

        assert await asyncio.gather(*map(transfer, range(100))) == ["done"] * 100


async def test_the_chain_may_be_worked_on_elsewhere() -> None:
    store = MemoryStore()
    async with (
        running(store, Strong()),
        Runtime(bank(Strong()), store=store, subscriptions=False) as clients,
    ):
        await clients.dispatch(Deposit(account="a", amount=7))
        await clients.dispatch(request(), consistency=["transfer"], consistency_timeout=240)
        assert await outcome(clients) == "done"


async def test_a_chain_that_takes_too_long_names_the_process_manager() -> None:
    async with running(MemoryStore(), Strong()) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=7))
        with pytest.raises(ConsistencyTimeout) as caught:
            await runtime.dispatch(
                request(target="broken"), consistency="strong", consistency_timeout=0.2
            )
        assert caught.value.behind == ("transfer",)


async def test_who_waits_learns_that_a_refusal_was_set_aside() -> None:
    async with running(MemoryStore(), Careless()) as runtime:
        with pytest.raises(HandlerFailed) as caught:
            await runtime.dispatch(request(), consistency="strong", consistency_timeout=240)
        assert caught.value.failed == ("careless",)


async def test_who_waits_is_answered_at_once_when_the_process_shuts_down() -> None:
    async with running(MemoryStore(), Strong()) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=7))
        waiting = asyncio.create_task(
            runtime.dispatch(
                request(target="broken"), consistency="strong", consistency_timeout=1000
            )
        )
        while not any(item.commands for item in await runtime.processes.list()):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await runtime.drain()
        with pytest.raises(ConsistencyTimeout):
            await waiting


async def test_a_process_manager_is_eventual_by_default() -> None:
    async with running(MemoryStore(), Transfer()) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=7))
        await runtime.dispatch(request(target="broken"), consistency="strong")


class Asked:
    """A role that answers when it is let through."""

    def __init__(self) -> None:
        self.asked: list[Collection[UUID]] = []
        self.free = asyncio.Event()
        self.error: Exception | None = None

    async def chained(self, domain: str, ids: Collection[UUID]) -> Sequence[ChainedCommands]:
        self.asked.append(ids)
        await self.free.wait()
        if self.error is not None:
            raise self.error
        return [
            ChainedCommands(id_, name, set_aside=False)
            for id_ in ids
            for name in ("transfer", "other")
        ]


async def test_who_asks_at_the_same_time_shares_a_read() -> None:
    role: Any = Asked()
    chains = Chains(MemoryStore().events, role, [KEY])
    ids = [uuid4() for _ in range(5)]
    tasks = [asyncio.create_task(chains.commands(id_, ["transfer"])) for id_ in ids]
    await asyncio.sleep(0)
    assert role.asked == [ids[:1]]
    tasks[2].cancel()
    role.free.set()
    found = [await task for number, task in enumerate(tasks) if number != 2]
    assert [[item.correlation_id for item in items] for items in found] == [
        [id_] for number, id_ in enumerate(ids) if number != 2
    ]
    assert role.asked[1:] == [ids[1:]]


async def test_an_error_reaches_all_who_asked() -> None:
    role: Any = Asked()
    role.error = StoreUnavailable("away")
    role.free.set()
    chains = Chains(MemoryStore().events, role, [KEY])
    found = await asyncio.gather(
        *(chains.commands(uuid4(), ["transfer"]) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(item, StoreUnavailable) for item in found)
    role.error = None
    assert await chains.commands(uuid4(), ["transfer"])


async def test_the_reader_that_gives_up_leaves_nobody_waiting() -> None:
    role: Any = Asked()
    chains = Chains(MemoryStore().events, role, [KEY])
    first = asyncio.create_task(chains.commands(uuid4(), ["transfer"]))
    await asyncio.sleep(0)
    second = asyncio.create_task(chains.commands(uuid4(), ["transfer"]))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(StoreUnavailable):
        await second
    role.free.set()
    assert await chains.commands(uuid4(), ["transfer"])
