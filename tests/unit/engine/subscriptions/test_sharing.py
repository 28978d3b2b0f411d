"""Processes over one store share its subscriptions, and hand them over at a checkpoint."""

import asyncio
import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from chekov import Context, EventHandler, MemoryStore, Runtime, handle
from chekov.engine.observer import Observer
from chekov.errors import StoreUnavailable
from chekov.store.memory.nodes import MemoryNodes
from chekov.store.memory.subscriptions import MemorySubscriptions
from chekov.store.port import Claim, SubscriptionKey
from tests.unit.engine.counter_domain import Add, Added
from tests.unit.engine.running import running
from tests.waiting import until

LONG = 3600.0


class Heard:
    """What all handlers of all processes heard, and an event at which one of them waits."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.slow: str | None = None
        self.waiting = asyncio.Event()
        self.gate = asyncio.Event()

    def handlers(self, *names: str) -> list[EventHandler]:
        return [self._handler(name) for name in names]

    def _handler(self, name: str) -> EventHandler:
        heard = self

        class Hearing(EventHandler, name=name, consistency="strong"):
            @handle
            async def added(self, event: Added, context: Context) -> None:
                if heard.slow == name:
                    heard.waiting.set()
                    await heard.gate.wait()
                heard.events.append((name, context.position))

        return Hearing()


def owned(runtime: Runtime) -> set[str]:
    return {key.name for key, item in runtime.subscriptions.items() if item.owned}


async def test_a_process_that_joins_gets_its_share_and_gives_it_back() -> None:
    store, heard = MemoryStore(), Heard()
    one = running(store, *heard.handlers("a", "b", "c", "d"), lease=LONG, node="one")
    two = running(store, *heard.handlers("a", "b", "c", "d"), lease=LONG, node="two")
    async with one:
        await until(lambda: len(owned(one)) == 4)
        await one.dispatch(Add(counter="a", amount=1), consistency="strong")
        async with two:
            await until(lambda: (len(owned(one)), len(owned(two))) == (2, 2))
            await two.dispatch(Add(counter="a", amount=1), consistency="strong")
        await until(lambda: len(owned(one)) == 4)
        await one.dispatch(Add(counter="a", amount=1), consistency="strong")
    assert sorted(heard.events) == [(name, at) for name in "abcd" for at in (1, 2, 3)]
    assert not await store.nodes.list("counting", lease=LONG)


async def test_one_is_handed_over_after_the_event_at_hand(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, heard = MemoryStore(), Heard()
    heard.slow = "b"
    one = running(store, *heard.handlers("a", "b"), lease=LONG, node="one")
    two = running(store, *heard.handlers("a", "b"), lease=LONG, node="two")
    async with one:
        await one.dispatch(Add(counter="a", amount=1))
        await heard.waiting.wait()
        async with two:
            await until(lambda: store.nodes.list("counting", lease=LONG))
            await one.dispatch(Add(counter="a", amount=1))
            await one.wait(2, ["a"])
            assert owned(one) == {"a", "b"}
            heard.slow = None
            heard.gate.set()
            await until(lambda: (owned(one), owned(two)) == ({"a"}, {"b"}))
            await one.wait(2)
    assert sorted(heard.events) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert "no longer owned" not in caplog.text


async def test_a_version_that_only_newer_processes_have_is_run_by_one_of_them() -> None:
    store, heard = MemoryStore(), Heard()
    old = running(store, *heard.handlers("a", "b"), lease=LONG, node="old")
    new = running(store, *heard.handlers("a", "b", "new"), lease=LONG, node="new")
    async with old, new:
        await until(lambda: "new" in owned(new))
        await until(lambda: owned(old) | owned(new) == {"a", "b", "new"})
        await new.dispatch(Add(counter="a", amount=1), consistency="strong")


class Mortal(MemoryNodes):
    """The same nodes, for a process whose session can be ended."""

    def __init__(self, nodes: MemoryNodes) -> None:
        self.__dict__.update(nodes.__dict__)
        self.dead = asyncio.Event()

    async def attend(
        self,
        node: str,
        domain: str,
        offers: Collection[str],
        *,
        lease: float,
        well: Callable[[], bool],
    ) -> None:
        async with asyncio.TaskGroup() as group:
            living = group.create_task(super().attend(node, domain, offers, lease=lease, well=well))
            await self.dead.wait()
            living.cancel()
        await asyncio.get_running_loop().create_future()


class Mute(MemorySubscriptions):
    """The same subscriptions, for a process that is dead after a while."""

    def __init__(self, subscriptions: MemorySubscriptions, dead: asyncio.Event) -> None:
        self.__dict__.update(subscriptions.__dict__)
        self.dead = dead

    async def claim(self, *args: Any, **options: Any) -> Sequence[Claim]:
        if self.dead.is_set():
            raise StoreUnavailable("dead")
        return await super().claim(*args, **options)


class Claims(Observer):
    def __init__(self) -> None:
        self.claimed_keys: list[SubscriptionKey] = []

    def claimed(self, subscription: SubscriptionKey) -> None:
        self.claimed_keys.append(subscription)


async def test_what_a_process_owned_whose_session_has_ended_is_taken_over() -> None:
    store, heard, claims = MemoryStore(), Heard(), Claims()
    dying = copy.copy(store)
    dying.nodes = mortal = Mortal(store.nodes)  # type: ignore[arg-type]
    dying.subscriptions = Mute(store.subscriptions, mortal.dead)  # type: ignore[arg-type]
    one = running(dying, *heard.handlers("a", "b"), lease=LONG, node="one")
    two = running(store, *heard.handlers("a", "b"), lease=LONG, node="two", observers=[claims])
    async with store, one, two:
        await until(lambda: (len(owned(one)), len(owned(two))) == (1, 1))
        [left] = owned(one)
        claims.claimed_keys.clear()
        mortal.dead.set()
        await until(lambda: owned(two) == {"a", "b"})
        await two.dispatch(Add(counter="a", amount=1), consistency="strong")
    assert [key.name for key in claims.claimed_keys] == [left]
