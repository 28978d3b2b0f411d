"""A newer release executes its first command once older ones can pass over nothing of it."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from chekov import Domain, MemoryStore, Retry, Runtime
from chekov.store.memory.nodes import MemoryNodes
from chekov.store.port import Node
from tests.unit.engine.releases import (
    NewSeen,
    OldSeen,
    Pay,
    Rate,
    new_release,
    old_release,
)
from tests.waiting import until

LONG = 3600.0


class Late(MemoryNodes):
    """The same nodes, for a process that hears of others only while a gate is open."""

    def __init__(self, nodes: MemoryNodes) -> None:
        self.__dict__.update(nodes.__dict__)
        self.gate = asyncio.Event()
        self.gate.set()

    async def list(self, domain: str | None, *, lease: float) -> Sequence[Node]:
        await self.gate.wait()
        return await super().list(domain, lease=lease)


def running(store: MemoryStore, domain: Domain, node: str, lease: float = LONG) -> Runtime:
    return Runtime(domain, store=store, lease=lease, node=node, retry=Retry(attempts=1))


def owned(runtime: Runtime) -> set[str]:
    return {key.name for key, item in runtime.subscriptions.items() if item.owned}


@asynccontextmanager
async def entering(runtime: Runtime) -> AsyncGenerator["asyncio.Task[Runtime]"]:
    """The runtime on its way in, and left in the end."""
    entered, left = asyncio.Event(), asyncio.Event()

    async def run() -> Runtime:
        async with runtime:
            entered.set()
            await left.wait()
        return runtime

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        try:
            yield group.create_task(_after(entered, runtime))
        finally:
            left.set()


async def _after(entered: asyncio.Event, runtime: Runtime) -> Runtime:
    await entered.wait()
    return runtime


def late(store: MemoryStore) -> tuple[MemoryStore, Late]:
    """The store for a process that hears late of others."""
    copied, nodes = copy.copy(store), Late(store.nodes)  # type: ignore[arg-type]
    copied.nodes = nodes  # type: ignore[assignment]
    return copied, nodes


async def test_an_event_of_an_unknown_type_is_not_passed_over_by_who_has_not_heard_of_it() -> None:
    store, seen = MemoryStore(), list[int]()
    elsewhere, nodes = late(store)
    async with store, running(elsewhere, old_release(OldSeen(seen)), "old") as old:
        await old.dispatch(Pay(shop="a", cents=1), consistency=["seen"])
        nodes.gate.clear()
        async with entering(running(store, new_release(NewSeen(seen)), "new")) as coming:

            async def listed() -> bool:
                return len(await store.nodes.list("trade", lease=LONG)) == 2

            await until(listed)
            await old.dispatch(Pay(shop="a", cents=2), consistency=["seen"])
            assert not coming.done()
            nodes.gate.set()
            new = await coming
            assert not owned(old)
            await new.dispatch(Rate(shop="a", stars=5), consistency=["seen"])
    assert seen == [1, 2, -5]


async def test_after_a_lease_no_claim_is_valid_of_who_has_not_heard_of_it() -> None:
    store, seen = MemoryStore(), list[int]()
    elsewhere, nodes = late(store)
    async with store, running(elsewhere, old_release(OldSeen(seen)), "old", lease=0.3) as old:
        await old.dispatch(Pay(shop="a", cents=1), consistency=["seen"])
        nodes.gate.clear()
        async with running(store, new_release(NewSeen(seen)), "new", lease=0.3) as new:
            await new.dispatch(
                Rate(shop="a", stars=5), consistency=["seen"], consistency_timeout=240
            )
            nodes.gate.set()
    assert seen == [1, -5]


async def test_one_of_the_same_release_waits_for_nobody() -> None:
    store, seen = MemoryStore(), list[int]()
    elsewhere, nodes = late(store)
    async with store, running(elsewhere, old_release(OldSeen(seen)), "old") as old:
        await until(lambda: owned(old) == {"seen", "thanks"})
        nodes.gate.clear()
        async with running(store, old_release(OldSeen(seen)), "other") as other:
            await other.dispatch(Pay(shop="a", cents=1), consistency=["seen"])
            nodes.gate.set()
    assert seen == [1]


async def test_one_that_is_stopped_while_it_waits_is_no_node_any_more() -> None:
    """Others would leave its share to it, for a lease."""
    store, seen = MemoryStore(), list[int]()
    elsewhere, nodes = late(store)

    async def listed() -> int:
        return len(await store.nodes.list("trade", lease=LONG))

    async def both() -> bool:
        return await listed() == 2

    async def enter() -> None:
        async with running(store, new_release(NewSeen(seen)), "new"):
            raise AssertionError

    async with store, running(elsewhere, old_release(OldSeen(seen)), "old") as old:
        await until(lambda: owned(old) == {"seen", "thanks"})
        nodes.gate.clear()
        coming = asyncio.create_task(enter())
        await until(both)
        coming.cancel()
        await asyncio.wait([coming])
        assert coming.cancelled()
        assert await listed() == 1
        nodes.gate.set()
