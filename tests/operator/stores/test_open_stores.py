"""A store is opened once for all who use it, and closed once nobody does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

import pytest

from chekov.errors import StoreUnavailable
from chekov.store.memory import MemoryStore
from chekov.store.port import Store as StorePort
from chekov_operator.api.event_store import Store
from chekov_operator.stores.open_stores import IDLE_SECONDS, OpenStores
from tests.operator.samples import store
from tests.operator.virtual_time import run_virtually

DSN = "postgresql://u:one@db.example/bank"
ROTATED = "postgresql://u:two@db.example/bank"


class Counted(MemoryStore):
    """Says when it is opened and closed; does not open while it is away."""

    def __init__(self, dsn: str, seen: "Seen") -> None:
        super().__init__()
        self._dsn = dsn
        self._seen = seen

    async def __aenter__(self) -> Self:
        self._seen.tries += 1
        await asyncio.sleep(1)
        if self._seen.away:
            raise StoreUnavailable("Postgres does not answer")
        self._seen.open.append(self._dsn)
        return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        self._seen.open.remove(self._dsn)
        await super().__aexit__(*exc)


class Seen:
    """Which stores are open, by their DSN, and how often one was to be opened."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.tries = 0
        self.away = False

    def make(self, dsn: str, _store: Store) -> StorePort:
        return Counted(dsn, self)


def play(scene: Callable[[OpenStores, Seen], Coroutine[Any, Any, None]]) -> None:
    """Run a scene in virtual time; nothing is left open after it."""

    async def run() -> None:
        seen = Seen()
        async with asyncio.TaskGroup() as group:
            stores = OpenStores(seen.make, group)
            await scene(stores, seen)
            stores.close()
        assert seen.open == []

    run_virtually(run())


def test_a_thousand_uses_at_once_open_one_store() -> None:
    async def scene(stores: OpenStores, seen: Seen) -> None:
        async def use() -> None:
            async with stores.using(DSN, store()) as opened:
                await opened.subscriptions.pause("bank", "balances", by="test")

        await asyncio.gather(*(use() for _ in range(1000)))
        await use()
        assert (seen.tries, seen.open) == (1, [DSN])

    play(scene)


def test_it_is_closed_once_nobody_has_used_it_for_a_while() -> None:
    async def scene(stores: OpenStores, seen: Seen) -> None:
        for _ in range(3):
            async with stores.using(DSN, store()):
                await asyncio.sleep(IDLE_SECONDS * 2)
            await asyncio.sleep(IDLE_SECONDS - 1)
        assert seen.tries == 1
        await asyncio.sleep(2)
        assert seen.open == []
        async with stores.using(DSN, store()):
            assert seen.tries == 2

    play(scene)


def test_after_a_rotation_the_new_dsn_is_used_and_the_old_one_closed() -> None:
    async def scene(stores: OpenStores, seen: Seen) -> None:
        async with stores.using(DSN, store()), stores.using(ROTATED, store()):
            assert seen.open == [DSN, ROTATED]
        await asyncio.sleep(IDLE_SECONDS - 1)
        async with stores.using(ROTATED, store()):
            await asyncio.sleep(2)
            assert seen.open == [ROTATED]

    play(scene)


def test_schemas_of_a_database_are_stores_of_their_own() -> None:
    async def scene(stores: OpenStores, seen: Seen) -> None:
        async with stores.using(DSN, store()), stores.using(DSN, store(schema="other")):
            assert seen.open == [DSN, DSN]

    play(scene)


def test_all_who_wait_for_a_database_that_is_away_hear_of_it_and_the_next_tries_again() -> None:
    async def scene(stores: OpenStores, seen: Seen) -> None:
        async def use() -> None:
            async with stores.using(DSN, store()):
                pass

        seen.away = True
        ends = await asyncio.gather(*(use() for _ in range(9)), return_exceptions=True)
        assert {type(end) for end in ends} == {StoreUnavailable}
        assert seen.tries == 1
        seen.away = False
        await use()
        assert (seen.tries, seen.open) == (2, [DSN])

    play(scene)


def test_a_store_that_goes_away_while_it_is_used_is_opened_anew() -> None:
    async def scene(stores: OpenStores, seen: Seen) -> None:
        async with stores.using(DSN, store()):
            with pytest.raises(StoreUnavailable):
                async with stores.using(DSN, store()):
                    raise StoreUnavailable("Postgres does not answer")
            assert seen.open == [DSN], "somebody still uses it"
            async with stores.using(DSN, store()):
                assert seen.open == [DSN, DSN]
        await asyncio.sleep(1)
        assert seen.open == [DSN]

    play(scene)


def test_who_gives_up_takes_nobody_along() -> None:
    async def scene(stores: OpenStores, seen: Seen) -> None:
        async def use() -> None:
            async with stores.using(DSN, store()):
                pass

        impatient, patient = asyncio.create_task(use()), asyncio.create_task(use())
        await asyncio.sleep(0.5)
        impatient.cancel()
        await patient
        assert (seen.tries, seen.open) == (1, [DSN])

    play(scene)
