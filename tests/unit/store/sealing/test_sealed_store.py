"""Random clubs that forget members at random moments: exactly those become unreadable."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chekov import FORGOTTEN, Event, MemoryStore, MessagePack, Serializer, definition_of
from chekov.errors import (
    DuplicateCommand,
    InvalidAppend,
    StoreUnavailable,
    Undecodable,
    WrongExpectedVersion,
)
from chekov.serialization.codec import Codec
from chekov.store.memory.keys import MemoryKeys
from chekov.store.port import Expected, NewEvent, RecordedEvent, Snapshot, StreamAppend
from chekov.store.sealing.master import MasterKeys
from chekov.store.sealing.store import SealedStore
from tests.doubles import OwnEvents
from tests.unit.store.people import Address, Closed, Founded, Joined, clubs

MEMBERS = [UUID(int=number) for number in range(1, 5)]
SERIALIZERS = st.sampled_from([None, MessagePack()])


def sealed(store: MemoryStore, serializer: Serializer | None = None) -> SealedStore:
    return SealedStore(store, clubs(serializer=serializer), MasterKeys(), lambda: None)


def new(codec: Codec, event: Event) -> NewEvent:
    return NewEvent(uuid4(), definition_of(type(event)).name, codec.encode(event))


def joined(member: UUID, name: str) -> Joined:
    return Joined(member=member, name=name, email=f"{name}@example", address=Address(street=name))


class Steps:
    """What happens, and what must be readable after it."""

    def __init__(self, store: SealedStore, codec: Codec) -> None:
        self.store = store
        self.codec = codec
        self.expected: list[tuple[str, Any]] = []

    async def append(self, events: Sequence[Any], stream: str, *, together: bool) -> None:
        stored = [new(self.codec, event) for event in events]
        if together:
            [appended] = await self.store.append_together([StreamAppend(stream, stored)])
        else:
            appended = await self.store.append(stream, stored)
        assert [self.codec.decode(item) for item in appended.recorded] == list(events)
        for event in events:
            subject = str(event.member) if isinstance(event, Joined) else stream
            self.expected.append((subject, event))

    async def forget(self, subject: str) -> None:
        known = any(name == subject and _is_personal(event) for name, event in self.expected)
        assert bool(await self.store.keys.forget_keys([subject])) <= known
        self.expected = [
            (name, _forgotten(event) if name == subject else event) for name, event in self.expected
        ]

    async def check(self) -> None:
        events = [event for _, event in self.expected]
        page = await self.store.read_page()
        assert [self.codec.decode(item) for item in page] == events
        assert [self.codec.decode(item) async for item in self.store.read_all()] == events
        followed: list[Event] = []
        while found := await self.store.tail.after(len(followed)):
            followed += [self.codec.decode(item) for item in found]
        assert followed == events
        for stream in {item.stream for item in page}:
            read = await self.store.read_stream(stream)
            assert self.codec.decode_page(read) == [
                self.codec.decode(item) for item in page if item.stream == stream
            ]


def _is_personal(event: Any) -> bool:
    return isinstance(event, Joined | Founded)


def _forgotten(event: Any) -> Any:
    match event:
        case Joined():
            return Joined(member=event.member, name=FORGOTTEN, email=FORGOTTEN, address=FORGOTTEN)
        case Founded():
            return Founded(founder=FORGOTTEN)
        case _:
            return event


NAMES = st.text(max_size=12)
EVENTS = st.one_of(
    st.builds(joined, st.sampled_from(MEMBERS), NAMES),
    st.builds(Founded, founder=NAMES),
    st.builds(Closed, loudly=st.booleans()),
)
STREAMS = st.sampled_from(["club-a", "club-b"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(EVENTS, min_size=1, max_size=4), STREAMS),
        st.tuples(st.just("together"), st.lists(EVENTS, min_size=1, max_size=4), STREAMS),
        st.tuples(st.just("forget"), st.sampled_from([*map(str, MEMBERS), "club-a", "nobody"])),
        st.tuples(st.just("restart")),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=150)
@given(STEPS, SERIALIZERS)
def test_exactly_the_forgotten_are_unreadable(
    steps: Sequence[tuple[Any, ...]], serializer: Serializer | None
) -> None:
    async def run() -> None:
        memory = MemoryStore()
        codec = Codec(clubs(serializer=serializer))
        steps_so_far = Steps(sealed(memory, serializer), codec)
        async with memory:
            for step in steps:
                async with sealed(memory, serializer) as fresh:
                    if step[0] == "restart" or not steps_so_far.expected:
                        steps_so_far.store = fresh
                    match step:
                        case ("append" | "together", events, stream):
                            together = step[0] == "together"
                            await steps_so_far.append(events, stream, together=together)
                        case ("forget", subject):
                            await steps_so_far.forget(subject)
                        case _:
                            pass
                    await steps_so_far.check()

    asyncio.run(run())


async def test_what_is_stored_shows_nothing_personal(memory_store: MemoryStore) -> None:
    codec = Codec(clubs())
    async with sealed(memory_store) as store:
        event = new(codec, joined(MEMBERS[0], "Ada Lovelace"))
        await store.append("club-a", [event, new(codec, Founded(founder="Grace"))])
        kept = await memory_store.read_page()
        for secret in (b"Ada", b"Lovelace", b"example", b"Grace"):
            assert all(secret not in item.data for item in kept)
        content = json.loads(kept[0].data)
        assert content["member"] == str(MEMBERS[0])
        assert content["fee"] == 0
        assert set(content["name"]) == {"$sealed"}


async def test_a_value_cannot_be_moved(memory_store: MemoryStore) -> None:
    """Neither to another event, nor to another field, nor to an event of another type."""
    codec = Codec(clubs())
    async with sealed(memory_store) as store:
        await store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
        [kept] = await memory_store.read_page()
        content = json.loads(kept.data)
        moved = [
            NewEvent(uuid4(), kept.type, kept.data),
            NewEvent(
                uuid4(),
                "Founded",
                json.dumps({"founder": content["name"]}).encode(),
            ),
        ]
        await memory_store.append("club-b", moved)
        for item in await store.read_stream("club-b"):
            with pytest.raises(Undecodable, match="is still encrypted"):
                codec.decode(item)
        swapped = {**content, "email": content["name"], "name": content["email"]}
        changed = kept._replace(data=json.dumps(swapped).encode())
        with pytest.raises(Undecodable, match="name is still encrypted"):
            codec.decode(await _reopened(store, memory_store, changed))


async def _reopened(store: SealedStore, memory: MemoryStore, event: RecordedEvent) -> RecordedEvent:
    """A changed event as it is read, once it stands in the place of the true one."""

    class Changed(OwnEvents):
        async def read_page(self, **_: Any) -> Sequence[RecordedEvent]:
            return [event]

    del store
    other = Changed()
    await other.keys.offer_keys([key for key in (await _keys(memory)) if key is not None])
    async with sealed(other) as reading:
        [opened] = await reading.read_page()
        return opened


async def _keys(memory: MemoryStore) -> list[Any]:
    found = await memory.keys.live_keys([*map(str, MEMBERS), "club-a"])
    return list(found.values())


async def test_a_tampered_value_and_a_lost_key_are_errors_and_not_forgotten(
    memory_store: MemoryStore,
) -> None:
    codec = Codec(clubs())
    async with sealed(memory_store) as store:
        await store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
        [kept] = await memory_store.read_page()
        content = json.loads(kept.data)
        text = content["name"]["$sealed"]
        for wrong in (
            text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1],
            f"{uuid4()}.{text.partition('.')[2]}",
            text.partition(".")[0] + ".",
            "nonsense",
        ):
            data = json.dumps({**content, "name": {"$sealed": wrong}}).encode()
            opened = await _reopened(store, memory_store, kept._replace(data=data))
            with pytest.raises(Undecodable, match="name is still encrypted"):
                codec.decode(opened)


async def test_events_from_before_their_fields_were_personal_stay_readable(
    memory_store: MemoryStore,
) -> None:
    codec = Codec(clubs())
    await memory_store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
    async with sealed(memory_store) as store:
        await store.keys.forget_keys([str(MEMBERS[0])])
        [kept] = await store.read_page()
        assert codec.decode(kept) == joined(MEMBERS[0], "Ada")


async def test_links_lead_to_what_can_be_read(memory_store: MemoryStore) -> None:
    codec = Codec(clubs())
    async with sealed(memory_store) as store:
        await store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
        await store.streams.link("friends", [1])
        for expected in (joined(MEMBERS[0], "Ada"), _forgotten(joined(MEMBERS[0], ""))):
            [seen] = await store.read_stream("friends")
            assert codec.decode(seen) == expected
            await store.keys.forget_keys([str(MEMBERS[0])])


async def test_values_that_look_sealed_are_refused_in_personal_fields(
    memory_store: MemoryStore,
) -> None:
    async with sealed(memory_store) as store:
        data = json.dumps({"founder": {"$sealed": "x.y"}}).encode()
        with pytest.raises(InvalidAppend, match="sealed"):
            await store.append("club-a", [NewEvent(uuid4(), "Founded", data)])
        harmless = NewEvent(uuid4(), "Other", data)
        await store.append("club-a", [harmless])
        [read] = await store.read_page()
        assert read.data == data


@pytest.mark.parametrize("subject", ["$proof", "", "x" * 1001, "a\0b"])
async def test_a_subject_that_cannot_be_one_is_refused(
    memory_store: MemoryStore, subject: str
) -> None:
    async with sealed(memory_store) as store:
        data = json.dumps({"member": subject, "name": "Ada"}).encode()
        with pytest.raises(InvalidAppend, match="subject"):
            await store.append("club-a", [NewEvent(uuid4(), "Joined", data)])
        assert await memory_store.head() == 0


async def test_expectations_and_once_reach_the_store(memory_store: MemoryStore) -> None:
    codec = Codec(clubs())
    command = uuid4()
    async with sealed(memory_store) as store:
        event = new(codec, Founded(founder="Grace"))._replace(causation_id=command)
        await store.append("club-a", [event], expected=Expected.NO_STREAM, command_id=command)
        again = [event._replace(id=uuid4())]
        with pytest.raises(WrongExpectedVersion):
            await store.append("club-a", again, expected=Expected.NO_STREAM)
        with pytest.raises(DuplicateCommand):
            await store.append("club-a", again, command_id=command)


class UnreachableKeys(MemoryKeys):
    """Cannot be reached while it is away."""

    away = False

    async def keys(self, ids: Any) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        return await super().keys(ids)


async def test_keys_that_are_away_are_waited_for_and_not_taken_for_forgotten() -> None:
    codec = Codec(clubs())
    memory = MemoryStore()
    memory.keys = keys = UnreachableKeys(memory.log.history, memory.changes.keys)
    async with sealed(memory) as store:
        await store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
        await store.keys.forget_keys(["nobody"])  # which empties the cache
        keys.away = True
        for read in (store.read_page(), store.read_stream("club-a"), store.tail.after(0)):
            with pytest.raises(StoreUnavailable):
                await read
        keys.away = False
        [seen] = await store.read_page()
        assert codec.decode(seen) == joined(MEMBERS[0], "Ada")


class RestoredState:
    """A snapshot of a club through one store."""

    def __init__(self, store: SealedStore) -> None:
        self.store = store

    async def save(self, version: int) -> None:
        await self.store.snapshots.save(Snapshot("club-a", version, "k", b"state with Ada"))

    async def read(self) -> bytes | None:
        found = await self.store.snapshots.load("club-a")
        return None if found is None else found.data


async def test_a_snapshot_is_readable_until_one_of_its_persons_is_forgotten(
    memory_store: MemoryStore,
) -> None:
    codec = Codec(clubs())
    async with sealed(memory_store) as store, sealed(memory_store) as other:
        await store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
        await store.append("club-a", [new(codec, joined(MEMBERS[1], "Bob"))])
        await store.append("club-b", [new(codec, joined(MEMBERS[2], "Cid"))])
        await RestoredState(store).save(2)
        [raw] = [await memory_store.snapshots.load("club-a")]
        assert raw is not None
        assert b"Ada" not in raw.data
        assert (
            await RestoredState(store).read()
            == await RestoredState(other).read()
            == b"state with Ada"
        )
        await store.keys.forget_keys([str(MEMBERS[2])])
        assert await RestoredState(other).read() == b"state with Ada"
        await store.keys.forget_keys([str(MEMBERS[1])])
        assert await RestoredState(store).read() is None


async def test_no_snapshot_is_saved_of_a_stream_not_seen_from_its_start(
    memory_store: MemoryStore,
) -> None:
    codec = Codec(clubs())
    async with sealed(memory_store) as store, sealed(memory_store) as other:
        for name in ("Ada", "Bob", "Cid"):
            await store.append("club-a", [new(codec, joined(MEMBERS[0], name))])
        await other.read_stream("club-a", after=1)
        await RestoredState(other).save(3)
        assert await memory_store.snapshots.load("club-a") is None
        await other.read_stream("club-a", until=2)
        await RestoredState(other).save(3)
        assert await memory_store.snapshots.load("club-a") is None
        await other.read_stream("club-a", after=1)
        await RestoredState(other).save(3)
        assert await RestoredState(store).read() == b"state with Ada"


async def test_a_late_writer_saves_no_snapshot_with_a_forgotten_subject(
    memory_store: MemoryStore,
) -> None:
    """The other process still has the key cached, and was not notified yet."""
    codec = Codec(clubs())
    async with sealed(memory_store) as store, sealed(memory_store) as other:
        await store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
        await other.read_stream("club-a")
        await memory_store.keys.forget_keys([str(MEMBERS[0])])
        await RestoredState(other).save(1)
        async with sealed(memory_store) as third:
            assert await RestoredState(third).read() is None


async def test_a_tampered_or_foreign_snapshot_is_as_good_as_none(
    memory_store: MemoryStore,
) -> None:
    codec = Codec(clubs())
    async with sealed(memory_store) as store:
        await store.append("club-a", [new(codec, joined(MEMBERS[0], "Ada"))])
        await RestoredState(store).save(1)
        kept = await memory_store.snapshots.load("club-a")
        assert kept is not None
        for number, data in enumerate((kept.data[:-1] + b"x", b"", b"{}", b"\xff\xff")):
            await memory_store.snapshots.save(kept._replace(data=data, kind=f"other {number}"))
            assert await RestoredState(store).read() is None


async def test_a_club_without_anybody_keeps_its_snapshot(memory_store: MemoryStore) -> None:
    codec = Codec(clubs())
    async with sealed(memory_store) as store:
        await store.append("club-a", [new(codec, Closed(loudly=True))])
        await RestoredState(store).save(1)
        await store.keys.forget_keys([str(MEMBERS[0])])
        assert await RestoredState(store).read() == b"state with Ada"


async def test_others_hear_of_forgetting(memory_store: MemoryStore) -> None:
    heard = asyncio.Event()
    async with (
        SealedStore(memory_store, clubs(), MasterKeys(), heard.set),
        sealed(memory_store) as other,
    ):
        codec = Codec(clubs())
        await other.append("club-a", [new(codec, Founded(founder="Grace"))])
        await other.keys.forget_keys(["club-a"])
        await asyncio.wait_for(heard.wait(), 10)
