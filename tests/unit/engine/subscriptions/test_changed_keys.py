"""Another release divides by other keys: what is under way comes to one position before."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import pytest

from chekov import MemoryStore, Runtime
from chekov.engine.subscriptions.layouts import Division, LayoutKeeper
from chekov.engine.subscriptions.subscription import Subscription
from chekov.store.port import Layout, SubscriptionKey
from tests.unit.engine.subscriptions.test_partition_keys import (
    Heard,
    by_streams,
    by_thirds,
    keyed,
    owned,
    settled,
)
from tests.waiting import passed, until

FOREIGN = "subscription heard is divided by the keys of another release, which runs it"


async def layout_of(store: MemoryStore) -> Layout:
    [layout] = await store.layouts.list("counting")
    return layout


async def divided_by_stream(store: MemoryStore, *, is_so: bool) -> bool:
    return ((await layout_of(store)).keyed_by == "stream") is is_so


async def taken_over(store: MemoryStore, runtime: Runtime, partitions: int) -> None:
    """Wait until a process runs all partitions, by its own keys."""

    async def has() -> bool:
        layout = await layout_of(store)
        return layout.partitions == owned(runtime) == partitions and layout.until is None

    await until(has)


def check(heard: Heard, *, since: int, repeated: bool = False) -> None:
    """Everything was heard, and what was added after `since` once and in the order of its key."""
    for number, amounts in ((key, heard.amounts[f"k{key}"]) for key in range(3)):
        expected = [amount for amount in range(1, heard.number + 1) if amount % 3 == number]
        assert sorted(set(amounts) if repeated else amounts) == expected
        later = [amount for amount in amounts if amount > since]
        assert later == [amount for amount in expected if amount > since]


async def test_a_newer_release_goes_on_where_the_former_one_brought_all_partitions() -> None:
    store, heard = MemoryStore(), Heard()
    async with keyed(by_streams(heard), store, 4, "old") as old:
        await heard.add(old)
        async with keyed(by_thirds(heard), store, 3, "new") as new:
            await heard.add(new)
            await taken_over(store, new, 3)
            assert owned(old) == 0
            since = heard.number
            await heard.add(old)
            await settled(new)
            await old.drain()
            await heard.add(new)
            await settled(new)
    check(heard, since=since)


async def test_it_goes_back_with_the_release_without_repetition() -> None:
    store, heard = MemoryStore(), Heard()
    async with keyed(by_thirds(heard), store, 4, "new") as new:
        await heard.add(new)
        async with keyed(by_streams(heard), store, 2, "back") as back:
            await heard.add(new)
            await taken_over(store, back, 2)
            assert await divided_by_stream(store, is_so=True)
            await heard.add(back)
            await settled(back)
        await taken_over(store, new, 4)
        since = heard.number
        await heard.add(new)
        await settled(new)
    check(heard, since=since)


async def test_without_a_process_of_the_former_release_nothing_is_lost() -> None:
    store, heard = MemoryStore(), Heard()
    heard.hanging.add("k1")
    with suppress(asyncio.CancelledError):
        async with keyed(by_streams(heard), store, 4) as old:
            await heard.add(old)
            await until(lambda: len(heard.amounts.get("k2", [])) > 1)
            raise asyncio.CancelledError  # it is killed
    heard.hanging.clear()
    async with keyed(by_thirds(heard), store, 3) as new:
        await taken_over(store, new, 3)
        since = heard.number
        await heard.add(new)
        await settled(new)
    check(heard, since=since, repeated=True)


async def test_what_is_parked_keeps_back_its_key_of_the_newer_release() -> None:
    store, heard = MemoryStore(), Heard()
    heard.failing.add("k1")
    async with keyed(by_streams(heard), store, 4) as old:
        await heard.add(old)
        await passed(old, heard.number)
        kept_back = len(await old.parked("heard"))
        assert kept_back > 5  # what its stream kept back, too
    async with keyed(by_thirds(heard), store, 3) as new:
        await taken_over(store, new, 3)
        parked = await new.parked("heard")
        assert [item.key for item in parked] == [f"k{item.position % 3}" for item in parked]
        heard.failing.clear()
        since = heard.number
        await heard.add(new)
        await new.retry("heard")

        async def emptied() -> bool:
            await new.retry("heard")
            return not await new.parked("heard")

        await until(emptied)
        await settled(new)
    check(heard, since=since)


async def test_the_former_release_goes_on_if_the_newer_one_leaves_before_it_took_over() -> None:
    store, heard = MemoryStore(), Heard()
    async with keyed(by_streams(heard, "stop"), store, 4, "old") as old:
        await heard.add(old)
        await settled(old)
        # One of its partitions stops, so that they are never at one position.
        heard.failing.add("k1")
        await heard.add(old)
        await until(lambda: any(item.state == "stopped" for item in old.subscriptions.values()))
        async with keyed(by_thirds(heard), store, 3, "new") as new:
            await until(lambda: owned(new) == 0 and len(new.subscriptions) == 4)
            assert await divided_by_stream(store, is_so=True)
            assert FOREIGN in new.engine.troubles
        assert FOREIGN not in old.engine.troubles
        heard.failing.clear()
        await old.resume("heard")
        await settled(old)
        assert await divided_by_stream(store, is_so=True)
    check(heard, since=heard.number)


async def test_a_subscription_that_is_paused_waits_for_its_other_keys_until_it_is_resumed() -> None:
    store, heard = MemoryStore(), Heard()
    async with keyed(by_streams(heard), store, 4) as old:
        await heard.add(old)
        await passed(old, heard.number)
        await old.pause("heard")
    async with keyed(by_thirds(heard), store, 3) as new:
        await heard.add(new)
        await until(lambda: {item.state for item in new.subscriptions.values()} == {"paused"})
        assert await divided_by_stream(store, is_so=True)
        assert FOREIGN in new.engine.troubles
        await new.resume("heard")
        await taken_over(store, new, 3)
        assert FOREIGN not in new.engine.troubles
        await settled(new)
    check(heard, since=15)


async def test_what_is_rekeyed_right_before_it_is_claimed_is_not_run_by_other_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, heard = MemoryStore(), Heard()
    claim, rekey, take = store.subscriptions.claim, store.layouts.rekey, Subscription.take
    divided: list[str] = []
    taken_by: list[str] = []

    async def noted(layout: Layout, partitions: int, keyed_by: str, *args: Any, **more: Any) -> Any:
        done = await rekey(layout, partitions, keyed_by, *args, **more)
        divided.extend([keyed_by] * done)
        return done

    async def claim_too_late(owner: str, keys: Collection[SubscriptionKey], **options: Any) -> Any:
        if keys and not divided:
            assert await noted(await layout_of(store), 2, "thirds", {})
        return await claim(owner, keys, **options)

    def taken(self: Subscription, *args: Any, **options: Any) -> None:
        taken_by.append(divided[-1])
        take(self, *args, **options)

    async with keyed(by_streams(heard), store, 2) as old:
        await old.pause("heard")
        await until(lambda: owned(old) == 0)
        await heard.add(old)
        monkeypatch.setattr(store.subscriptions, "claim", claim_too_late)
        monkeypatch.setattr(store.layouts, "rekey", noted)
        monkeypatch.setattr(Subscription, "take", taken)
        await store.subscriptions.resume("counting", "heard")
        await settled(old)
    assert divided == ["thirds", "stream"]  # nobody with the other keys lives
    assert set(taken_by) == {"stream"}
    check(heard, since=heard.number)


async def test_what_was_removed_and_registered_with_other_keys_is_followed() -> None:
    key, adopted = SubscriptionKey("counting", "heard"), list[Layout]()
    async with MemoryStore() as store:
        await store.subscriptions.register([key])
        wanted = {key: Division(2, "stream")}
        keeper = LayoutKeeper(store, wanted, adopted.append, lambda _, event: event.stream)
        await keeper.prepare()
        assert keeper.can_run(key)
        await store.subscriptions.remove("counting", "heard", 1)
        await store.layouts.divide(key, 2, keyed_by="thirds")
        await keeper.refresh()
        assert not keeper.can_run(key)
        assert [layout.keyed_by for layout in adopted] == ["stream", "thirds"]


async def test_each_parked_event_is_read_alone_and_once_and_longer_than_a_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, heard = MemoryStore(), Heard()
    heard.failing.update(("k0", "k1", "k2"))
    async with keyed(by_streams(heard), store, 4) as old:
        await heard.add(old)
        await passed(old, heard.number)
    parked = [item.position for item in await store.subscriptions.parked("counting", "heard")]
    assert len(parked) == heard.number
    read: list[int] = []
    read_page, interrupted = store.read_page, [False]

    async def interrupting(*, after: int = 0, limit: int = 1000) -> Any:
        if limit == 1:
            if len(read) == 5 and not interrupted[0]:
                interrupted[0] = True
                raise TimeoutError
            read.append(after + 1)
        return await read_page(after=after, limit=limit)

    monkeypatch.setattr(store, "read_page", interrupting)
    async with keyed(by_thirds(heard), store, 3) as new:
        await taken_over(store, new, 3)
        assert interrupted[0]
        assert read == parked
