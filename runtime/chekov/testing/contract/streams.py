"""Contract of the role `streams`: delete, truncate, link and list."""

# ruff: noqa: S101 these are tests, for others to run

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chekov.domain.event_filter import EventFilter
from chekov.errors import (
    DuplicateEvent,
    EventNotFound,
    InvalidAppend,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.port import Expected, NewEvent, Store, StreamAppend
from chekov.testing.contract.event_store import caused, event, positions, versions


class StreamsContract:
    """Tests of `store.streams`."""

    async def test_the_info_of_a_stream_has_its_version_and_age(self, store: Store) -> None:
        """Of its first event; an unknown one is an error."""
        with pytest.raises(StreamNotFound):
            await store.streams.info("a")
        await store.append("a", [event(), event()])
        await store.append("a", [event()])
        info = await store.streams.info("a")
        [first] = await store.read_stream("a", limit=1)
        assert (info.stream, info.version) == ("a", 3)
        assert abs(info.created - first.time) < timedelta(seconds=1)

    async def test_a_deleted_stream_ends(self, store: Store) -> None:
        """It is gone from reads and refuses appends; everything still holds it."""
        await store.append("a", [event(), event()])
        with pytest.raises(WrongExpectedVersion):
            await store.streams.delete("a", expected=1)
        assert await store.streams.delete("a", expected=2) == 3
        assert not await store.read_stream("a")
        assert not await store.read_stream("a", direction="backward", until=2)
        for expected in (Expected.ANY, Expected.STREAM_EXISTS, Expected.NO_STREAM, 2, 3):
            with pytest.raises(StreamDeleted):
                await store.append("a", [event()], expected=expected)
        with pytest.raises(StreamDeleted):
            await store.append("a", [event(), event()], expected=3)
        with pytest.raises(StreamDeleted):
            await store.streams.info("a")
        with pytest.raises(StreamDeleted):
            await store.streams.delete("a")
        with pytest.raises(StreamDeleted):
            await store.streams.truncate("a", before=1)
        assert not await store.streams.list()
        everything = await store.read_page()
        assert [item.type for item in everything] == ["happened", "happened", "$deleted"]
        assert everything[-1].stream == "a"
        with pytest.raises(StreamNotFound):
            await store.streams.delete("none")

    @pytest.mark.parametrize("deleted_before", [False, True])
    async def test_an_erased_stream_leaves_its_places_only(
        self, store: Store, *, deleted_before: bool
    ) -> None:
        """Positions stay contiguous and are not used again; the name is free."""
        secret = NewEvent(uuid4(), "t", b'{"secret": 1}', b'{"m": 1}', uuid4(), uuid4())
        await store.append("a", [secret, event(data=b"\xff")])
        await store.append("b", [event()])
        if deleted_before:
            await store.streams.delete("a")
        last = await store.streams.delete("a", erase=True)
        assert last == await store.head() == 4 + deleted_before
        everything = await store.read_page()
        assert positions(everything) == list(range(1, last + 1))
        blank = [item for item in everything if item.stream != "b"]
        assert {(item.stream, item.type, item.data) for item in blank} == {
            ("$erased", "$erased", b"{}")
        }
        assert all(item[6:9] == (None, None, None) for item in blank)
        assert not await store.read_stream("a")
        with pytest.raises(StreamNotFound):
            await store.streams.info("a")
        with pytest.raises(DuplicateEvent):
            await store.append("a", [secret])
        again = await store.append("a", [event()], expected=Expected.NO_STREAM)
        assert (again.version, again.position) == (1, last + 1)
        assert (await store.streams.info("a")).version == 1

    @pytest.mark.parametrize("erase", [False, True])
    async def test_a_truncated_stream_begins_later(self, store: Store, *, erase: bool) -> None:
        """At a version that it has; its last event always stays."""
        await store.append("a", [event() for _ in range(5)])
        for wrong in (0, -1, 6):
            with pytest.raises(WrongExpectedVersion):
                await store.streams.truncate("a", before=wrong)
        await store.streams.truncate("a", before=4, erase=erase)
        await store.streams.truncate("a", before=2)
        assert versions(await store.read_stream("a")) == [4, 5]
        assert versions(await store.read_stream("a", direction="backward")) == [5, 4]
        assert (await store.streams.info("a"))[::3] == ("a", 4)
        assert (await store.append("a", [event()], expected=5)).version == 6
        everything = await store.read_page()
        assert positions(everything) == [1, 2, 3, 4, 5, 6]
        assert [item.type for item in everything[:3]] == (
            ["$erased"] if erase else ["happened"]
        ) * 3
        with pytest.raises(StreamNotFound):
            await store.streams.truncate("none", before=1)

    async def test_a_link_leads_to_an_event(self, store: Store) -> None:
        """It is read where it is linked, once, and stays a link among everything."""
        await store.append("a", [event("one", b'{"n": 1}'), event("two", b'{"n": 2}')])
        await store.append("vip", [event("own")])
        linked = await store.streams.link("vip", [2, 1], expected=1)
        assert (linked.version, linked.position) == (3, 5)
        read = await store.read_stream("vip")
        assert [(item.type, item.version, item.position) for item in read] == [
            ("own", 1, 3),
            ("two", 2, 2),
            ("one", 3, 1),
        ]
        assert {item.stream for item in read} == {"vip"}
        assert read[1].data == b'{"n": 2}'
        assert [item.type for item in await store.read_page(after=3)] == ["$link", "$link"]
        with pytest.raises(DuplicateEvent):
            await store.streams.link("vip", [1])
        await store.streams.link("other", [1])
        for missing in (0, 99, 4):
            with pytest.raises(EventNotFound) as caught:
                await store.streams.link("vip", [3, missing])
            assert caught.value.position == missing
        with pytest.raises(InvalidAppend):
            await store.streams.link("vip", [])
        with pytest.raises(WrongExpectedVersion):
            await store.streams.link("vip", [3], expected=1)
        await store.streams.delete("a", erase=True)
        assert [item.type for item in await store.read_stream("vip")] == [
            "own",
            "$erased",
            "$erased",
        ]

    async def test_a_link_does_not_count_as_an_event_of_the_command(self, store: Store) -> None:
        """When the linked event is erased, its command may be executed again."""
        command = uuid4()
        await store.append("a", [caused(command)], command_id=command)
        await store.streams.link("vip", [1])
        assert positions(await store.read_page(filter=EventFilter(correlation=command))) == [1]
        await store.streams.delete("a", erase=True)
        await store.append("a", [caused(command)], expected=0, command_id=command)

    async def test_a_stream_is_as_old_as_its_first_event(self, store: Store) -> None:
        """Also one that was imported, alone or among others."""
        day = datetime(2024, 1, 1, tzinfo=UTC)
        old = event()._replace(time=day)
        await store.append("a", [old._replace(id=uuid4())])
        await store.append("b", [old._replace(id=uuid4()), event()])
        await store.append_together(
            [StreamAppend("c", [event()]), StreamAppend("d", [old._replace(id=uuid4()), event()])]
        )
        ages = {info.stream: info.created for info in await store.streams.list()}
        assert (ages["a"], ages["b"], ages["d"]) == (day, day, day)
        assert ages["c"] > day

    async def test_streams_are_listed_by_name(self, store: Store) -> None:
        """In pages, by prefix, and by what their names hold; deleted ones are left out."""
        names = ["b-1", "a-2", "a-10", "ä", "a-1", "B", "a_1", "100%", "\U0010ffff", "\U0010ffffx"]
        for name in [*names, "a-gone"]:
            await store.append(name, [event()])
        await store.append("a-2", [event()])
        await store.streams.delete("a-gone")
        assert [item.stream for item in await store.streams.list()] == sorted(names)
        assert [item.stream for item in await store.streams.list(prefix="a-")] == [
            "a-1",
            "a-10",
            "a-2",
        ]
        second = await store.streams.list(prefix="a-", after="a-1", limit=1)
        assert [item.stream for item in second] == ["a-10"]
        assert [item.stream for item in await store.streams.list(containing="_")] == ["a_1"]
        assert [item.stream for item in await store.streams.list(containing="%")] == ["100%"]
        assert len(await store.streams.list(prefix="\U0010ffff")) == 2
        [info] = await store.streams.list(prefix="a-2")
        assert (info.version, info.first) == (2, 1)
        assert not await store.streams.list(limit=0)
        assert not await store.streams.list(prefix="\0")
