"""While releases follow each other, an older process leaves to newer ones what they store."""

from collections.abc import Sequence

from chekov import (
    Context,
    Domain,
    EventHandler,
    MemoryStore,
    NewEvent,
    Retry,
    Runtime,
    handle,
    partition,
)
from chekov.domain.handler_definition import HandlerSettings
from chekov.uuid7 import uuid7
from tests.unit.engine.releases import (
    NewSeen,
    OldSeen,
    Paid,
    PaidInCurrency,
    Pay,
    PayInCurrency,
    Rate,
    new_release,
    old_release,
)
from tests.waiting import passed, until

LONG = 3600.0
NAMES = {"seen", "thanks"}


def running(store: MemoryStore, domain: Domain, node: str) -> Runtime:
    return Runtime(domain, store=store, lease=LONG, node=node, retry=Retry(attempts=1))


def owned(runtime: Runtime) -> set[str]:
    return {key.name for key, item in runtime.subscriptions.items() if item.owned}


def waits(runtime: Runtime) -> bool:
    """Whether all its subscriptions say that they wait for newer code."""
    found = list(runtime.subscriptions.values())
    return all(item.owned and "newer code" in (item.error or "") for item in found)


async def parked(store: MemoryStore) -> int:
    return sum(row.parked for row in await store.subscriptions.list("trade"))


async def thanked(store: MemoryStore) -> Sequence[bytes]:
    return [item.data for item in await store.read_page() if item.type == "thanked"]


async def test_an_older_process_gives_everything_up_to_a_newer_one_and_gets_it_back() -> None:
    store, seen = MemoryStore(), list[int]()
    old = running(store, old_release(OldSeen(seen)), "old")
    async with old:
        await old.dispatch(Pay(shop="a", cents=1))
        await until(lambda: owned(old) == NAMES)
        async with running(store, new_release(NewSeen(seen)), "new") as new:
            await until(lambda: (owned(old), owned(new)) == (set(), NAMES))
            await new.dispatch(PayInCurrency(shop="a", cents=2))
            await new.dispatch(Rate(shop="a", stars=5))
            await old.dispatch(Pay(shop="b", cents=3))
            await until(lambda: seen == [1, 2, -5, 3])
        await until(lambda: owned(old) == NAMES)
        await old.dispatch(Pay(shop="b", cents=4))
        await until(lambda: seen == [1, 2, -5, 3, 4])
    assert await parked(store) == 0


async def test_where_no_newer_process_lives_an_older_one_waits_for_it() -> None:
    store, seen = MemoryStore(), list[int]()
    async with Runtime(new_release(), store=store, subscriptions=False) as new:
        await new.dispatch(PayInCurrency(shop="a", cents=1))
    old = running(store, old_release(OldSeen(seen)), "old")
    async with old:
        await old.dispatch(Pay(shop="b", cents=2))
        await until(lambda: waits(old))
        assert any("paid@2" in trouble for trouble in old.engine.troubles)
        assert old.healthy
        assert (seen, await parked(store)) == ([], 0)
        async with running(store, new_release(NewSeen(seen)), "new") as new:
            await until(lambda: owned(new) == NAMES)
            await until(lambda: seen == [1, 2])

            async def answered() -> bool:
                return len(await thanked(store)) == 2

            await until(answered)
            assert not owned(old)
            assert not any(item.error for item in old.subscriptions.values())
        assert sorted(await thanked(store)) == [b'{"cents":1}', b'{"cents":2}']
        assert await parked(store) == 0


async def test_a_process_that_waits_drains_at_once_and_the_next_one_begins_there() -> None:
    store, seen = MemoryStore(), list[int]()
    async with Runtime(new_release(), store=store, subscriptions=False) as new:
        await new.dispatch(PayInCurrency(shop="a", cents=1))
    for node in ("one", "two"):
        async with running(store, old_release(OldSeen(seen)), node) as old:
            await until(lambda old=old: waits(old))
    assert [row.state for row in await store.subscriptions.list("trade")] == ["running"] * 2
    async with running(store, new_release(NewSeen(seen)), "new") as new:
        await passed(new, 1)
    assert seen == [1]


async def test_what_cannot_be_read_in_a_known_revision_is_parked_as_ever() -> None:
    store = MemoryStore()
    async with running(store, old_release(), "old") as old:
        await store.append("shop-a", [NewEvent(uuid7(), "paid", b'{"cents": "many"}')])
        await passed(old, 1)
        [event] = await old.parked("thanks")
    assert (event.type, event.attempts, event.state) == ("paid", 1, "failed")


async def test_one_that_is_parked_behind_another_waits_when_its_turn_has_come() -> None:
    store, seen = MemoryStore(), list[int]()
    async with running(store, old_release(), "old") as old:
        await store.append("shop-a", [NewEvent(uuid7(), "paid", b'{"cents": "many"}')])
        await passed(old, 1)
        await store.append(
            "shop-a", [NewEvent(uuid7(), "paid@2", b'{"shop":"a","cents":2,"currency":"EUR"}')]
        )
        await until(lambda: waits(old) or parked_are(old, 2))
        await old.discard("thanks", reason="of no use", position=1)
        await until(lambda: waits(old))
        assert all(item.state == "blocked" for item in await old.parked("thanks"))
        async with running(store, new_release(NewSeen(seen)), "new"):

            async def answered() -> bool:
                return await thanked(store) == [b'{"cents":2}']

            await until(answered)
    assert await parked(store) == 0


def parked_are(runtime: Runtime, number: int) -> bool:
    return sum(item.parked for item in runtime.subscriptions.values()) == number


class OldKeyed(EventHandler, name="keyed"):
    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    @handle
    async def paid(self, event: Paid, context: Context) -> None:
        self.seen.append(event.cents)

    @partition
    def cents(self, event: Paid) -> str:
        return str(event.cents)


class NewKeyed(EventHandler, name="keyed"):
    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    @handle
    async def paid(self, event: PaidInCurrency, context: Context) -> None:
        self.seen.append(event.cents)

    @partition
    def shop(self, event: PaidInCurrency) -> str:
        return event.shop


async def test_partitions_that_wait_for_newer_code_are_given_to_it_with_its_keys() -> None:
    """While an older process lives, and without repetition."""
    store, seen = MemoryStore(), list[int]()
    divided = {"keyed": HandlerSettings(partitions=3)}

    def divided_by(domain: Domain, node: str) -> Runtime:
        return Runtime(
            domain, store=store, lease=LONG, node=node, retry=Retry(attempts=1), handlers=divided
        )

    async with divided_by(old_release(OldKeyed(seen)), "old") as old:
        for cents in range(1, 8):
            await old.dispatch(Pay(shop=f"s{cents}", cents=cents))
        await until(lambda: len(seen) == 7)
        async with Runtime(new_release(), store=store, subscriptions=False) as commands:
            await commands.dispatch(PayInCurrency(shop="n", cents=8))

        def all_wait() -> bool:
            found = [item for key, item in old.subscriptions.items() if key.name == "keyed"]
            return len(found) == 3 and all("newer code" in (item.error or "") for item in found)

        await until(all_wait)
        async with divided_by(new_release(NewKeyed(seen)), "new") as new:
            await until(lambda: len(seen) >= 8)
            await new.dispatch(PayInCurrency(shop="m", cents=9))
            await until(lambda: 9 in seen)
    assert sorted(seen) == list(range(1, 10))
