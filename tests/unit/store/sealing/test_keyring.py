"""The key cache: few queries to the store, and no expired answers."""

import asyncio
from collections.abc import Collection, Mapping
from uuid import UUID, uuid4

import pytest

from chekov.errors import KeyUnusable
from chekov.store.memory.history import History
from chekov.store.memory.keys import MemoryKeys
from chekov.store.port import Key
from chekov.store.sealing.cipher import new_secret
from chekov.store.sealing.keyring import LIFE_SECONDS, Keyring
from chekov.store.sealing.master import MasterKeys
from chekov.watermark import Watermark


class Asked(MemoryKeys):
    """Counts the questions, and holds answers back."""

    def __init__(self) -> None:
        super().__init__(History(), Watermark())
        self.questions = 0
        self.held: asyncio.Event | None = None

    async def live_keys(self, subjects: Collection[str]) -> Mapping[str, Key]:
        self.questions += 1
        return await super().live_keys(subjects)

    async def keys(self, ids: Collection[UUID]) -> Mapping[UUID, Key | None]:
        self.questions += 1
        found = await super().keys(ids)
        if self.held is not None:
            await self.held.wait()
        return found


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_many_keys_take_one_query_and_cached_ones_none() -> None:
    store = Asked()
    keyring = Keyring(store, MasterKeys())
    subjects = {f"s-{n}" for n in range(50)}
    sealers = await keyring.of_subjects(subjects)
    assert store.questions == 2  # before and after they were made
    assert await keyring.of_subjects(subjects) == sealers
    ids = {sealer.id for sealer in sealers.values()}
    assert await keyring.of_ids(ids) == {sealer.id: sealer for sealer in sealers.values()}
    assert store.questions == 2
    other = Keyring(store, MasterKeys())
    assert (await other.of_ids(ids)).keys() == ids
    assert store.questions == 3


async def test_two_processes_agree_on_a_key() -> None:
    store = Asked()
    one, two = Keyring(store, MasterKeys()), Keyring(store, MasterKeys())
    found = await asyncio.gather(one.of_subjects({"ada", "bob"}), two.of_subjects({"bob", "ada"}))
    assert found[0]["ada"].id == found[1]["ada"].id
    assert found[0]["bob"].secret == found[1]["bob"].secret


async def test_a_cached_key_expires() -> None:
    store, clock = Asked(), Clock()
    keyring = Keyring(store, MasterKeys(), clock=clock)
    first = (await keyring.of_subjects({"ada"}))["ada"]
    await store.forget_keys(["ada"])
    clock.now += LIFE_SECONDS - 1
    assert (await keyring.of_ids({first.id}))[first.id] == first
    clock.now += 1
    assert await keyring.of_ids({first.id}) == {first.id: None}
    assert (await keyring.of_subjects({"ada"}))["ada"].id != first.id


async def test_a_deleted_key_is_queried_once() -> None:
    store = Asked()
    keyring = Keyring(store, MasterKeys())
    first = (await keyring.of_subjects({"ada"}))["ada"]
    await store.forget_keys(["ada"])
    keyring.clear()
    before = store.questions
    for _ in range(3):
        assert await keyring.of_ids({first.id}) == {first.id: None}
    assert store.questions == before + 1


async def test_an_answer_from_before_a_deletion_is_not_cached() -> None:
    store = Asked()
    first = (await Keyring(store, MasterKeys()).of_subjects({"ada"}))["ada"]
    keyring = Keyring(store, MasterKeys())
    store.held = asyncio.Event()
    asking = asyncio.create_task(keyring.of_ids({first.id}))
    await asyncio.sleep(0)
    await store.forget_keys(["ada"])
    keyring.clear()
    store.held.set()
    assert await asking == {first.id: None}


async def test_keys_that_cannot_be_used_are_left_out_or_refused() -> None:
    store = Asked()
    broken = Key(uuid4(), "ada", b"broken")
    good = Key(uuid4(), "bob", new_secret())
    await store.offer_keys([broken, good])
    keyring = Keyring(store, MasterKeys())
    assert (await keyring.of_ids({broken.id, good.id, uuid4()})).keys() == {good.id}
    with pytest.raises(KeyUnusable):
        await keyring.of_subjects({"ada"})
