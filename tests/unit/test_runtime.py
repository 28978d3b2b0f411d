"""Forgetting somebody while a runtime runs: no state, handler or replay shows them any more."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from chekov import (
    FORGOTTEN,
    Context,
    Domain,
    EventHandler,
    MemoryStore,
    MessagePack,
    Runtime,
    Serializer,
    handle,
)
from chekov.domain.failure import Retry
from chekov.errors import KeyUnusable, StoreClosed, StoreError, StoreUnavailable, Undecodable
from chekov.store.memory.keys import MemoryKeys
from chekov.store.port import NewEvent
from tests.unit.engine.counter_domain import Add, Counter
from tests.unit.store.people import Address, Close, Club, Found, Join, Joined, Letters, clubs
from tests.waiting import passed, until

ADA, BOB = UUID(int=1), UUID(int=2)
SERIALIZERS = pytest.mark.parametrize("serializer", [None, MessagePack()], ids=["json", "msgpack"])


def ada(**fields: Any) -> Join:
    return Join(club="a", member=ADA, name="Ada", email="ada@example", **fields)


def bob() -> Join:
    return Join(club="a", member=BOB, name="Bob")


def forgotten(member: UUID) -> Joined:
    return Joined(member=member, name=FORGOTTEN, email=FORGOTTEN, address=FORGOTTEN)


@SERIALIZERS
async def test_states_handlers_and_answers_see_plain_values(serializer: Serializer | None) -> None:
    letters = Letters()
    async with Runtime(clubs(letters, serializer=serializer), store=MemoryStore()) as runtime:
        done = await runtime.dispatch(ada(street="Elm"), consistency="strong")
        assert letters.joined == list(done.events) == [runtime.decode(done.recorded[0])]
        assert letters.joined[0].address == Address(street="Elm")
        assert (await runtime.load(Club, "a")).state.names == {ADA: "Ada"}
        [kept] = await runtime.store.read_page()
        assert b"Ada" not in kept.data
        with pytest.raises(Undecodable, match="is still encrypted"):
            runtime.decode(kept)
        [read] = await runtime.unsealed.read_page()
        assert runtime.decode(read) == done.events[0]


@SERIALIZERS
async def test_live_states_forget_at_once(serializer: Serializer | None) -> None:
    async with Runtime(clubs(serializer=serializer), store=MemoryStore()) as runtime:
        await runtime.dispatch(Found(club="a", founder="Grace"))
        await runtime.dispatch(ada())
        await runtime.dispatch(bob())
        assert await runtime.forget(str(ADA))
        assert not await runtime.forget(str(ADA))
        loaded = await runtime.load(Club, "a")
        assert loaded.state.names == {ADA: None, BOB: "Bob"}
        assert loaded.state.founder == "Grace"
        assert await runtime.forget("club-a")
        await runtime.dispatch(Close(club="a"))
        assert (await runtime.load(Club, "a")).state.founder is FORGOTTEN
        assert (await runtime.load(Club, "a", at=2)).state.names == {ADA: None}


async def test_what_comes_later_has_a_key_of_its_own() -> None:
    async with Runtime(clubs(), store=MemoryStore()) as runtime:
        await runtime.dispatch(ada())
        await runtime.forget(str(ADA))
        await runtime.dispatch(ada())
        events = [runtime.decode(item) for item in await runtime.unsealed.read_page()]
        assert events[0] == forgotten(ADA)
        assert isinstance(events[1], Joined)
        assert events[1].name == "Ada"
        assert (await runtime.load(Club, "a")).state.names == {ADA: "Ada"}


async def test_a_state_that_is_worked_with_is_forgotten_right_after() -> None:
    async with Runtime(clubs(), store=MemoryStore()) as runtime:
        await runtime.dispatch(ada())
        instance = runtime.engine.dispatcher.aggregates.get_or_create(Club, "club-a")
        await instance.acquire()
        loading = asyncio.create_task(runtime.load(Club, "a"))
        await runtime.forget(str(ADA))
        assert instance.state is not None
        instance.release()
        assert (await loading).state.names == {ADA: None}


class Slow(EventHandler, name="slow", consistency="strong"):
    """Handles the first event when it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.busy = asyncio.Event()
        self.names: list[object] = []

    @handle
    async def handle(self, event: Joined, context: Context) -> None:
        if context.position == 1:
            self.busy.set()
            await self.may.wait()
        self.names.append(event.name)


async def test_a_handler_behind_sees_nothing_of_what_was_at_hand() -> None:
    slow = Slow()
    async with Runtime(clubs(slow), store=MemoryStore()) as runtime:
        await runtime.dispatch(bob())
        await slow.busy.wait()
        done = await runtime.dispatch(ada())
        assert [item.position for item in await runtime.unsealed.tail.after(1) or ()] == [2]
        await runtime.forget(str(ADA))
        slow.may.set()
        await runtime.wait(done.position)
    assert slow.names == ["Bob", FORGOTTEN]


async def test_a_replay_shows_who_is_left() -> None:
    store = MemoryStore()
    async with Runtime(clubs(), store=store) as runtime:
        await runtime.dispatch(ada())
        await runtime.dispatch(bob())
        await runtime.forget(str(ADA))
    letters = Letters()
    async with Runtime(clubs(letters), store=store) as runtime:
        await runtime.wait(2)
    assert letters.joined[0] == forgotten(ADA)
    assert letters.joined[1].name == "Bob"


async def test_a_repeated_command_is_answered_with_what_is_left() -> None:
    command_id = uuid4()
    async with Runtime(clubs(), store=MemoryStore()) as runtime:
        await runtime.dispatch(ada(), command_id=command_id)
        again = await runtime.dispatch(ada(), command_id=command_id)
        assert again.repeated
        assert [event.name for event in again.events] == ["Ada"]
        await runtime.forget(str(ADA))
        later = await runtime.dispatch(ada(), command_id=command_id)
        assert later.events == (forgotten(ADA),)


async def test_snapshots_are_used_sealed_and_given_up_with_a_person() -> None:
    store = MemoryStore()
    async with Runtime(clubs(), store=store) as runtime:
        await runtime.dispatch(ada())
        await runtime.dispatch(bob())
        await until(lambda: _kept(store))
        first = await _kept(store)
        assert b"Ada" not in first
        await runtime.forget(str(ADA))
        assert (await runtime.load(Club, "a")).state.names == {ADA: None, BOB: "Bob"}
        await until(lambda: _kept_anew(store, first))
    async with Runtime(clubs(), store=store) as runtime:
        found = await runtime.unsealed.snapshots.load("club-a")
        assert found is not None
        assert (await runtime.load(Club, "a")).state.names == {ADA: None, BOB: "Bob"}


async def test_a_snapshot_of_a_state_without_somebody_says_so() -> None:
    store = MemoryStore()
    async with Runtime(clubs(), store=store) as runtime:
        await runtime.dispatch(Found(club="a", founder="Grace"))
        await runtime.forget("club-a")
        await runtime.dispatch(ada())
        await runtime.dispatch(bob())
        await until(lambda: _kept(store))
    async with Runtime(clubs(), store=store) as runtime:
        assert await runtime.unsealed.snapshots.load("club-a")
        loaded = await runtime.load(Club, "a")
        assert loaded.state == Club(founder=FORGOTTEN, names={ADA: "Ada", BOB: "Bob"})


async def _kept(store: MemoryStore) -> bytes:
    found = await store.snapshots.load("club-a")
    return b"" if found is None else found.data


async def _kept_anew(store: MemoryStore, first: bytes) -> bool:
    return await _kept(store) not in (first, b"")


async def test_a_changed_value_is_set_aside_and_not_taken_for_forgotten() -> None:
    store, letters = MemoryStore(), Letters()
    async with Runtime(clubs(letters), store=store, retry=Retry(attempts=1)) as runtime:
        await runtime.dispatch(ada())
        [kept] = await store.read_page()
        other = NewEvent(uuid4(), "Joined", kept.data)
        appended = await store.append("club-z", [other])
        await passed(runtime, appended.position)
        assert len(letters.joined) == 1
        [parked] = await store.subscriptions.parked("clubs", "letters")
        assert "is still encrypted" in parked.error
        assert "Ada" not in parked.error
        with pytest.raises(Undecodable, match="is still encrypted"):
            await runtime.load(Club, "z")


class UnreachableKeys(MemoryKeys):
    """Cannot be reached while it is away."""

    away = False

    async def keys(self, ids: Any) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        return await super().keys(ids)


async def test_handlers_wait_for_keys_that_are_away() -> None:
    store, letters = MemoryStore(), Letters()
    store.keys = keys = UnreachableKeys(store.log.history, store.changes.keys)
    async with Runtime(clubs(letters), store=store, retry=Retry(attempts=1)) as runtime:
        keys.away = True
        await runtime.dispatch(ada())
        await runtime.forget("nobody")
        done = await runtime.dispatch(Join(club="b", member=BOB, name="Bob"))
        keys.away = False
        await runtime.wait(done.position, timeout=240)
        assert [event.name for event in letters.joined] == ["Ada", "Bob"]
        assert not await store.subscriptions.parked("clubs", "letters")


async def test_events_made_of_forgotten_values_keep_them_so() -> None:
    async with Runtime(clubs(), store=MemoryStore()) as runtime:
        data = runtime.codec.encode(forgotten(ADA))
        await runtime.unsealed.append("club-a", [NewEvent(uuid4(), "Joined", data)])
        [read] = await runtime.unsealed.read_page()
        event = runtime.decode(read)
        assert isinstance(event, Joined)
        assert (event.name, event.email, event.address) == (FORGOTTEN, None, FORGOTTEN)


async def test_a_wrong_master_key_is_told_at_the_start(tmp_path: Path) -> None:
    store = MemoryStore()
    for name in ("right", "wrong"):
        (tmp_path / name).write_bytes(os.urandom(32))
    async with Runtime(clubs(), store=store, master_key=tmp_path / "right") as runtime:
        await runtime.dispatch(ada())
        assert (await runtime.load(Club, "a")).state.names == {ADA: "Ada"}
    for wrong in (tmp_path / "wrong", None):
        with pytest.raises(KeyUnusable):
            async with Runtime(clubs(), store=store, master_key=wrong):
                pass
    async with Runtime(clubs(), store=store, master_key=tmp_path / "right") as runtime:
        assert (await runtime.load(Club, "a")).state.names == {ADA: "Ada"}


async def test_the_means_to_seal_are_asked_for_only_by_domains_that_need_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("chekov.store.sealing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(StoreError, match=r"chekov\[crypto\]"):
        Runtime(clubs(), store=MemoryStore())
    counting = Domain("counting", aggregates=[Counter])
    store = MemoryStore()
    async with Runtime(counting, store=store) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        assert runtime.unsealed is runtime.store
        assert not await runtime.forget("counter-a")
        [kept] = await store.read_page()
        assert json.loads(kept.data)["amount"] == 1


async def test_a_runtime_that_is_not_entered_says_so() -> None:
    runtime = Runtime(Domain("counting", aggregates=[Counter]), store=MemoryStore())
    with pytest.raises(StoreClosed, match="async with"):
        await runtime.dispatch(Add(counter="a", amount=1))


async def test_a_runtime_is_entered_once() -> None:
    runtime = Runtime(Domain("counting", aggregates=[Counter]), store=MemoryStore())
    async with runtime:
        with pytest.raises(StoreClosed, match="entered before"):
            await runtime.__aenter__()
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == 1
    with pytest.raises(StoreClosed, match="entered before"):
        await runtime.__aenter__()
