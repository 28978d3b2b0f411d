"""Hostile input: a store must store it exactly, or refuse it with a typed error."""

# ruff: noqa: S101 these are tests, for others to run

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest

from chekov.domain.event_filter import EventFilter
from chekov.errors import (
    DuplicateEvent,
    EventNotFound,
    InvalidAppend,
    StoreError,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.port import Expected, NewEvent, Snapshot, Store, StreamAppend
from chekov.testing.contract.event_store import event, positions, versions

_HUGE = 2**63, 2**64, 10**30

_NAMES = (
    "it's",
    'a"b',
    "a,b",
    "{a,b}",
    "(a)",
    "a\\b",
    "a'; drop table chekov.events; --",
    "%s $1 {0} ?",
    "NULL",
    " ",
    "a ",
    "a\n\t\r\x01",
    "\x7f",
    "ä-1",
    "a\u0308-1",
    "Ä-1",
    "STRASSE",
    "straße",
    "🐘👩‍👩‍👧",
    "\u202eabc",
    "עברית-1",
    "\ufeff",
    "\ufffe",
    "\U0010ffff",
    "x" * 1000,
    "🐘" * 250,
)

_DOCUMENTS = (
    b'{"a":1,"a":2}',
    b'{ "a" :\t1e400\n}\n',
    b'{"a":-0,"b":1E-999,"c":' + b"9" * 5000 + b"}",
    b'{"a":"\\u0000"}',
    b'{"a":"\\ud800"}',
    b'{"":{"":[]}}',
    '{"a":"\u202e🐘a\u0308"}'.encode(),
    b'{"a":"\'; drop table chekov.events; --"}',
    b'{"a":' * 400 + b"1" + b"}" * 400,
    b'{"a":"' + b"x" * 10_000_000 + b'"}',
)

_BROKEN = (
    b'{"a":NaN}',
    b'{"a":Infinity}',
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":01}',
    b'{"a":"\n"}',
    b'{"a":"\\x00"}',
    b'{"a":"\0"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xff"}',
    b'{"a":1} //',
    b'{"a":' * 200_000,
    b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
)


class HostileContract:
    """Tests of a `Store` with hostile input."""

    async def test_similar_names_stay_distinct(self, store: Store) -> None:
        """Quotes, SQL, control characters, case, and two spellings of one letter."""
        for name in _NAMES:
            await store.append(name, [event(type_=name)], expected=Expected.NO_STREAM)
        for number, name in enumerate(_NAMES, 1):
            [read] = await store.read_stream(name)
            assert (read.stream, read.type, read.position) == (name, name, number)
            assert positions(
                await store.read_page(filter=EventFilter(types=frozenset({name})))
            ) == [number]
            assert number in positions(await store.read_page(filter=EventFilter(prefix=name)))
            assert (await store.streams.info(name)).version == 1
        listed = await store.streams.list()
        assert [item.stream for item in listed] == sorted(_NAMES, key=str.encode)
        assert [item.stream for item in await store.streams.list(prefix="Ä")] == ["Ä-1"]
        assert [item.stream for item in await store.streams.list(containing="\u0308")] == [
            "a\u0308-1"
        ]
        assert positions(await store.read_page(filter=EventFilter(category="ä"))) == [
            _NAMES.index("ä-1") + 1
        ]

    @pytest.mark.parametrize(
        "name", ["", "\0", "a\0b", "\ud800", "a\udfff", "x" * 10_000, "$", "$x"]
    )
    async def test_invalid_names_match_nothing(self, store: Store, name: str) -> None:
        """Each call refuses it by name, or finds nothing."""
        await store.append("a", [event()])
        for call in (
            store.append(name, [event()]),
            store.append("a", [event(type_=name)]),
            store.append_together([StreamAppend("b", [event()]), StreamAppend(name, [event()])]),
            store.append_together([StreamAppend("b", [event(), event(type_=name)])]),
            store.streams.link(name, [1]),
        ):
            with pytest.raises(InvalidAppend):
                await call
        for ending in (
            store.streams.delete(name),
            store.streams.delete(name, erase=True),
            store.streams.truncate(name, before=1, erase=True),
            store.streams.info(name),
        ):
            with pytest.raises(StreamNotFound):
                await ending
        await store.snapshots.save(Snapshot(name, 1, "k", b"x"))
        assert await store.snapshots.load(name) is None
        await store.snapshots.forget(name)
        assert not await store.read_stream(name)
        assert not await store.read_page(filter=EventFilter(types=frozenset({name})))
        assert not await store.read_page(filter=EventFilter(category=name))
        assert await store.head() == 1

    async def test_erased_events_cannot_be_taken_for_a_stream(self, store: Store) -> None:
        """Their places are the store's own: no call ends, cuts or reads them."""
        await store.append("a", [event(), event()])
        await store.streams.delete("a", erase=True)
        for call in (
            store.streams.delete("$erased"),
            store.streams.delete("$erased", erase=True),
            store.streams.truncate("$erased", before=1, erase=True),
            store.streams.info("$erased"),
        ):
            with pytest.raises(StreamNotFound):
                await call
        assert not await store.read_stream("$erased")
        assert not await store.streams.list(prefix="$")
        assert positions(await store.read_page(filter=EventFilter(prefix="$"))) == [1, 2, 3]
        assert await store.head() == 3

    @pytest.mark.parametrize("document", _DOCUMENTS, ids=range(len(_DOCUMENTS)))
    async def test_json_comes_back_to_the_last_byte(self, store: Store, document: bytes) -> None:
        """As data and as metadata, alone and among others, and once more on a known stream."""
        new = [NewEvent(uuid4(), "t", document, document) for _ in range(4)]
        await store.append("a", new[:1])
        await store.append("a", new[1:2], expected=1)
        await store.append("a", new[2:], expected=2)
        read = await store.read_stream("a")
        assert [(item.data, item.metadata) for item in read] == [(document, document)] * 4

    @pytest.mark.parametrize("document", _BROKEN, ids=range(len(_BROKEN)))
    async def test_invalid_json_is_refused(self, store: Store, document: bytes) -> None:
        """As data and as metadata, alone, among others and together with others."""
        data, metadata = event(data=document), event()._replace(metadata=document)
        for bad in (data, metadata):
            for events in ([bad], [event(), bad], [bad._replace(id=uuid4()), bad]):
                with pytest.raises(InvalidAppend):
                    await store.append("a", events)
            with pytest.raises(InvalidAppend):
                await store.append_together(
                    [StreamAppend("a", [event()]), StreamAppend("b", [bad])]
                )
        assert await store.head() == 0

    async def test_empty_metadata_is_refused(self, store: Store) -> None:
        """However many events carry it."""
        for count in (1, 2, 3):
            with pytest.raises(InvalidAppend):
                await store.append("a", [event()._replace(metadata=b"") for _ in range(count)])
        assert await store.head() == 0

    async def test_too_much_is_refused(self, store: Store) -> None:
        """In one event, and in many."""
        large = b"x" * (33 * 1024 * 1024)
        with pytest.raises(InvalidAppend):
            await store.append("a", [event(data=large + large)])
        with pytest.raises(InvalidAppend):
            await store.append("a", [event(data=large) for _ in range(4)])
        with pytest.raises(InvalidAppend):
            await store.append_together(
                [StreamAppend(f"s-{n}", [event(data=large)]) for n in range(4)]
            )
        assert await store.head() == 0

    async def test_many_streams_are_appended_to_together(self, store: Store) -> None:
        """Thousands of them: all or none."""
        appends = [StreamAppend(f"s-{n}", [event(), event()], 0) for n in range(3000)]
        answers = await store.append_together(appends)
        assert [item.position for item in answers] == list(range(2, 6001, 2))
        again = [StreamAppend(f"s-{n}", [event()], 2) for n in range(2999)]
        with pytest.raises(WrongExpectedVersion):
            await store.append_together([*again, StreamAppend("s-2999", [event()], 1)])
        with pytest.raises(DuplicateEvent):
            await store.append_together([*again, StreamAppend("new", [appends[7].events[0]])])
        assert await store.head() == 6000

    async def test_numbers_may_be_as_large_as_they_like(self, store: Store) -> None:
        """Positions, versions and limits that nothing has, at the edges of 64 bits and beyond."""
        await store.append("a", [event(), event()])
        for huge in (2**63 - 1, *_HUGE):
            assert positions(await store.read_page(limit=huge)) == [1, 2]
            assert not await store.read_page(after=huge)
            assert positions(await store.read_page(after=-huge)) == [1, 2]
            assert positions(await store.read_page(after=huge, direction="backward")) == [2, 1]
            assert positions(await store.read_page(after=-huge, direction="backward")) == [2, 1]
            assert not await store.read_page(limit=-huge)
            assert [item.position async for item in store.read_all(after=huge)] == []
            assert [item.position async for item in store.read_all(after=-huge)] == [1, 2]
            assert await store.wait("events", huge, 0) == 2
            assert await store.wait("events", -huge, 0) == 2
            assert await store.tail.after(huge) == ()
            for direction in ("forward", "backward"):
                read = await store.read_stream("a", until=huge, limit=huge, direction=direction)
                assert sorted(versions(read)) == [1, 2]
                assert not await store.read_stream("a", until=-huge, direction=direction)
            assert not await store.read_stream("a", after=huge)
            assert len(await store.streams.list(limit=huge)) == 1
            for at in (huge, -huge):
                with pytest.raises(EventNotFound):
                    await store.streams.link("b", [1, at])
                with pytest.raises(WrongExpectedVersion):
                    await store.streams.truncate("a", before=at)
        with pytest.raises(WrongExpectedVersion):
            await store.append("a", [event()], expected=2**63 - 1)
        with pytest.raises(WrongExpectedVersion):
            await store.streams.delete("a", expected=2**63 - 1)
        for wrong in (*_HUGE, -3, -(2**63), -(2**70)):
            for call in (
                store.append("a", [event()], expected=wrong),
                store.append("a", [event(), event()], expected=wrong),
                store.append_together([StreamAppend("a", [event()], wrong)]),
                store.streams.link("b", [1], expected=wrong),
                store.streams.delete("a", expected=wrong),
            ):
                with pytest.raises(InvalidAppend):
                    await call
        for version in _HUGE:
            await store.snapshots.save(Snapshot("a", version, "k", b"x"))
        assert await store.snapshots.load("a") is None
        assert await store.head() == 2

    async def test_a_page_has_its_limit(self, store: Store) -> None:
        """However many are asked for."""
        await store.append("a", [event() for _ in range(10_001)])
        assert len(await store.read_page(limit=20_000)) == 10_000
        assert len(await store.read_stream("a", limit=20_000)) == 10_000

    async def test_times_are_stored_to_the_microsecond_or_refused(self, store: Store) -> None:
        """From the first year to the last; one without a zone means nothing."""
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        east = timezone(timedelta(hours=14))
        moment = timedelta(microseconds=1)
        good = [first + moment, last - moment, datetime(2000, 1, 1, 0, 0, 0, 1, east)]
        await store.append("a", [event()._replace(time=time) for time in good])
        await store.append("a", [event()._replace(time=good[1])], expected=3)
        assert [item.time for item in await store.read_stream("a")] == [*good, good[1]]
        west = timezone(-timedelta(hours=1))
        for bad in (
            datetime(2024, 1, 1),  # noqa: DTZ001 that is the mistake
            datetime.min,  # noqa: DTZ901 that is the mistake
            first,
            last,
            first.replace(tzinfo=east),
            last.replace(tzinfo=west),
        ):
            for count in (1, 2):
                with pytest.raises(InvalidAppend):
                    await store.append("a", [event()._replace(time=bad) for _ in range(count)])
        assert await store.head() == 4

    async def test_a_snapshot_s_kind_is_text_and_its_data_any_bytes(self, store: Store) -> None:
        """A kind that is not text is refused."""
        await store.append("a", [event()])
        data = bytes(range(256)) * 40_000
        await store.snapshots.save(Snapshot("a", 1, "it's; drop table", data))
        assert await store.snapshots.load("a") == Snapshot("a", 1, "it's; drop table", data)
        for kind in ("\0", "\ud800"):
            with pytest.raises(StoreError):
                await store.snapshots.save(Snapshot("a", 1, kind, b""))
        assert await store.snapshots.load("a") == Snapshot("a", 1, "it's; drop table", data)
