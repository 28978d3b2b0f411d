"""What no process has any more is listed, and removed when somebody asks for it."""

import pytest

from chekov import (
    AbandonedSubscription,
    Context,
    Domain,
    EventHandler,
    MemoryStore,
    Runtime,
    SubscriptionInUse,
    UnknownSubscription,
    handle,
    partition,
)
from chekov.engine.subscriptions.abandoned import AbandonedSubscriptions
from tests.unit.engine.counter_domain import Add, Added, Counter, Seen
from tests.unit.engine.running import running
from tests.waiting import passed, until


class Mailed(EventHandler, name="mailed", partitions=3):
    """Fails on everything."""

    @handle
    async def added(self, event: Added, context: Context) -> None:
        raise ValueError(event.amount)


class MailedByAmount(EventHandler, name="mailed", version=2, partitions=2):
    @handle
    async def added(self, event: Added, context: Context) -> None: ...

    @partition
    def amount(self, event: Added) -> int:
        return event.amount


async def left_behind(store: MemoryStore) -> None:
    """A process runs a handler, and leaves."""
    async with running(store, Mailed(), Seen()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await passed(runtime, 1)


async def empty(abandoned: AbandonedSubscriptions) -> bool:
    return not await abandoned.list()


async def test_what_a_later_release_does_not_have_is_listed_and_removed() -> None:
    store = MemoryStore()
    await left_behind(store)
    async with running(store, Seen(), MailedByAmount()) as runtime:
        found = await runtime.abandoned.list()
        assert found == [AbandonedSubscription("mailed", 1, 3, 1, 1, ())]
        await runtime.abandoned.remove("mailed", 1)
        assert not await runtime.abandoned.list()
        assert not await runtime.parked("mailed")
        rows = await store.subscriptions.list("counting")
        assert {(row.key.name, row.key.version) for row in rows} == {("mailed", 2), ("seen", 1)}
        with pytest.raises(UnknownSubscription, match="it has mailed 2, seen 1"):
            await runtime.abandoned.remove("mailed", 1)


@pytest.mark.parametrize(("handler", "version"), [(Mailed(), 1), (MailedByAmount(), 2)])
async def test_what_another_process_has_is_neither_listed_nor_removed(
    handler: EventHandler, version: int
) -> None:
    store = MemoryStore()
    async with running(store, handler, node="other"), running(store, Seen()) as runtime:
        await until(lambda: empty(runtime.abandoned))
        with pytest.raises(SubscriptionInUse, match="other/") as caught:
            await runtime.abandoned.remove("mailed", version)
        assert len(caught.value.nodes) == 1
        rows = await store.subscriptions.list("counting")
        assert sum(row.key.name == "mailed" for row in rows) > 1


async def test_what_a_process_has_and_does_not_run_is_its_own() -> None:
    store = MemoryStore()
    await left_behind(store)
    domain = Domain("counting", aggregates=[Counter], handlers=[Mailed(), Seen()])
    async with Runtime(domain, store=store, subscriptions=False) as runtime:
        assert not await runtime.abandoned.list()
        with pytest.raises(SubscriptionInUse, match="part of the domain of this process"):
            await runtime.abandoned.remove("mailed", 1)


async def test_a_tool_that_knows_no_handlers_goes_by_the_processes() -> None:
    store = MemoryStore()
    await left_behind(store)
    async with store:
        abandoned = AbandonedSubscriptions(store, "counting")
        assert [item.name for item in await abandoned.list()] == ["mailed", "seen"]
        async with running(store, Seen()):

            async def only_one() -> bool:
                return [item.name for item in await abandoned.list()] == ["mailed"]

            await until(only_one)


async def test_a_handler_that_comes_back_after_it_was_removed_starts_anew() -> None:
    store = MemoryStore()
    await left_behind(store)
    async with store:
        await AbandonedSubscriptions(store, "counting").remove("seen", 1)
    seen = Seen()
    async with running(store, seen) as runtime:
        await passed(runtime, 1)
    assert seen.amounts == [1]


async def test_what_was_removed_while_a_process_began_to_run_it_is_registered_again() -> None:
    store, seen = MemoryStore(), Seen()
    async with running(store, seen, lease=0.3) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        await runtime.pause("seen")
        assert await store.subscriptions.remove("counting", "seen", 1)
        await runtime.dispatch(Add(counter="a", amount=2))
        await until(lambda: seen.amounts == [1, 1, 2])
