"""What a store must do with streams: several at once, links, ends, and finding them."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chekov.errors import (
    DuplicateCommand,
    DuplicateEvent,
    EventNotFound,
    InvalidAppend,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.port import EventStore, Expected, NewEvent, StreamAppend
from chekov.testing.contract.events import event, positions, versions


def caused(command: UUID, correlation: UUID | None = None) -> NewEvent:
    """An event of a command, which began a correlation of its own unless told otherwise."""
    return NewEvent(uuid4(), "t", b"{}", None, correlation or command, command)


class StreamsContract:
    """Tests of an `EventStore`, beyond appending to a stream and reading it."""

    async def test_several_streams_are_appended_to_together(self, store: EventStore) -> None:
        """All of them or none, each at its version."""
        await store.append("a", [event()])
        answers = await store.append_together(
            [StreamAppend("a", [event(), event()], 1), StreamAppend("b", [event()], 0)]
        )
        assert [(item.stream, item.version, item.position) for item in answers] == [
            ("a", 3, 3),
            ("b", 1, 4),
        ]
        assert list(await store.read_stream("b")) == list(answers[1].recorded)
        twice = event()
        for bad, error in (
            (StreamAppend("b", [event()], 7), WrongExpectedVersion),
            (StreamAppend("none", [event()], Expected.STREAM_EXISTS), StreamNotFound),
            (StreamAppend("c", [twice, twice]), DuplicateEvent),
            (StreamAppend("c", [event(data=b"{")]), InvalidAppend),
            (StreamAppend("a", [event()]), InvalidAppend),
        ):
            with pytest.raises(error):
                await store.append_together([StreamAppend("a", [event()], 3), bad])
        with pytest.raises(InvalidAppend):
            await store.append_together([])
        assert await store.head() == 4
        assert not await store.read_stream("c")

    async def test_events_of_a_command_are_stored_once(self, store: EventStore) -> None:
        """Whatever the stream's version is by now, and whatever the correlation."""
        for correlation in (None, uuid4()):
            command = uuid4()
            name = f"s-{command}"
            await store.append(name, [caused(command, correlation)], expected=0, command_id=command)
            await store.append(name, [event()], expected=1)
            for stream, expected in ((name, 0), (name, 2), (name, Expected.ANY), ("other", 0)):
                with pytest.raises(DuplicateCommand) as caught:
                    await store.append(
                        stream,
                        [caused(command, correlation)],
                        expected=expected,
                        command_id=command,
                    )
                assert caught.value.command_id == command
            await store.append(name, [caused(uuid4())], expected=2, command_id=uuid4())
        assert await store.head() == 6

    async def test_of_one_command_twice_at_once_one_is_stored(self, store: EventStore) -> None:
        """Also when nothing else is expected of the stream."""
        command = uuid4()
        answers = await asyncio.gather(
            *(
                store.append("a", [caused(command)], expected=Expected.ANY, command_id=command)
                for _ in range(5)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, DuplicateCommand) for answer in answers) == 4
        assert await store.head() == 1

    async def test_of_one_command_on_many_streams_one_is_stored(self, store: EventStore) -> None:
        """Sent at once, each to a stream of its own."""
        command = uuid4()
        answers = await asyncio.gather(
            *(store.append(f"s-{n}", [caused(command)], command_id=command) for n in range(5)),
            store.append("other", [event()]),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, DuplicateCommand) for answer in answers) == 4
        assert len(await store.read_page(causation_id=command)) == 1
        assert await store.head() == 2

    async def test_each_of_a_crowd_gets_its_own_answer(self, store: EventStore) -> None:
        """Wrong version, existing, missing, deleted, duplicates and successes, all at once."""
        known, done = event(), uuid4()
        await store.append("there", [known])
        await store.append("gone", [event()])
        await store.append("done", [caused(done)])
        await store.delete_stream("gone")
        answers = await asyncio.gather(
            store.append("one", [event()], expected=0),
            store.append("there", [event()], expected=5),
            store.append("missing", [event()], expected=Expected.STREAM_EXISTS),
            store.append("gone", [event()]),
            store.append("two", [known]),
            store.append("three", [caused(done)], command_id=done),
            store.append("four", [event(), event()], expected=0),
            return_exceptions=True,
        )
        kinds = [type(answer).__name__ for answer in answers]
        assert kinds == [
            "Appended",
            "WrongExpectedVersion",
            "StreamNotFound",
            "StreamDeleted",
            "DuplicateEvent",
            "DuplicateCommand",
            "Appended",
        ]
        assert positions(await store.read_page()) == list(range(1, 8))

    async def test_a_deleted_stream_ends(self, store: EventStore) -> None:
        """It is gone from reads and refuses appends; everything still holds it."""
        await store.append("a", [event(), event()])
        with pytest.raises(WrongExpectedVersion):
            await store.delete_stream("a", expected=1)
        assert await store.delete_stream("a", expected=2) == 3
        assert not await store.read_stream("a")
        assert not await store.read_stream("a", direction="backward", until=2)
        for expected in (Expected.ANY, Expected.STREAM_EXISTS, Expected.NO_STREAM, 2, 3):
            with pytest.raises(StreamDeleted):
                await store.append("a", [event()], expected=expected)
        with pytest.raises(StreamDeleted):
            await store.append("a", [event(), event()], expected=3)
        with pytest.raises(StreamDeleted):
            await store.stream_info("a")
        with pytest.raises(StreamDeleted):
            await store.delete_stream("a")
        with pytest.raises(StreamDeleted):
            await store.truncate_stream("a", before=1)
        assert not await store.streams()
        everything = await store.read_page()
        assert [item.type for item in everything] == ["happened", "happened", "$deleted"]
        assert everything[-1].stream == "a"
        with pytest.raises(StreamNotFound):
            await store.delete_stream("none")

    @pytest.mark.parametrize("deleted_before", [False, True])
    async def test_an_erased_stream_leaves_its_places_only(
        self, store: EventStore, *, deleted_before: bool
    ) -> None:
        """Positions stay contiguous and are not used again; the name is free."""
        secret = NewEvent(uuid4(), "t", b'{"secret": 1}', b'{"m": 1}', uuid4(), uuid4())
        await store.append("a", [secret, event(data=b"\xff")])
        await store.append("b", [event()])
        if deleted_before:
            await store.delete_stream("a")
        last = await store.delete_stream("a", erase=True)
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
            await store.stream_info("a")
        with pytest.raises(DuplicateEvent):
            await store.append("a", [secret])
        again = await store.append("a", [event()], expected=Expected.NO_STREAM)
        assert (again.version, again.position) == (1, last + 1)
        assert (await store.stream_info("a")).version == 1

    @pytest.mark.parametrize("erase", [False, True])
    async def test_a_truncated_stream_begins_later(self, store: EventStore, *, erase: bool) -> None:
        """At a version that it has; its last event always stays."""
        await store.append("a", [event() for _ in range(5)])
        for wrong in (0, -1, 6):
            with pytest.raises(WrongExpectedVersion):
                await store.truncate_stream("a", before=wrong)
        await store.truncate_stream("a", before=4, erase=erase)
        await store.truncate_stream("a", before=2)
        assert versions(await store.read_stream("a")) == [4, 5]
        assert versions(await store.read_stream("a", direction="backward")) == [5, 4]
        assert (await store.stream_info("a"))[::3] == ("a", 4)
        assert (await store.append("a", [event()], expected=5)).version == 6
        everything = await store.read_page()
        assert positions(everything) == [1, 2, 3, 4, 5, 6]
        assert [item.type for item in everything[:3]] == (
            ["$erased"] if erase else ["happened"]
        ) * 3
        with pytest.raises(StreamNotFound):
            await store.truncate_stream("none", before=1)

    async def test_a_link_leads_to_an_event(self, store: EventStore) -> None:
        """It is read where it is linked, once, and stays a link among everything."""
        await store.append("a", [event("one", b'{"n": 1}'), event("two", b'{"n": 2}')])
        await store.append("vip", [event("own")])
        linked = await store.link("vip", [2, 1], expected=1)
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
            await store.link("vip", [1])
        await store.link("other", [1])
        for missing in (0, 99, 4):
            with pytest.raises(EventNotFound) as caught:
                await store.link("vip", [3, missing])
            assert caught.value.position == missing
        with pytest.raises(InvalidAppend):
            await store.link("vip", [])
        with pytest.raises(WrongExpectedVersion):
            await store.link("vip", [3], expected=1)
        await store.delete_stream("a", erase=True)
        assert [item.type for item in await store.read_stream("vip")] == [
            "own",
            "$erased",
            "$erased",
        ]

    async def test_a_link_is_no_event_of_the_command(self, store: EventStore) -> None:
        """When the linked event is erased, its command may be executed again."""
        command = uuid4()
        await store.append("a", [caused(command)], command_id=command)
        await store.link("vip", [1])
        assert positions(await store.read_page(correlation_id=command)) == [1]
        await store.delete_stream("a", erase=True)
        await store.append("a", [caused(command)], expected=0, command_id=command)

    async def test_a_stream_is_as_old_as_its_first_event(self, store: EventStore) -> None:
        """Also one that was imported, alone or among others."""
        day = datetime(2024, 1, 1, tzinfo=UTC)
        old = event()._replace(time=day)
        await store.append("a", [old._replace(id=uuid4())])
        await store.append("b", [old._replace(id=uuid4()), event()])
        await store.append_together(
            [StreamAppend("c", [event()]), StreamAppend("d", [old._replace(id=uuid4()), event()])]
        )
        ages = {info.stream: info.created for info in await store.streams()}
        assert (ages["a"], ages["b"], ages["d"]) == (day, day, day)
        assert ages["c"] > day

    async def test_streams_are_listed_by_name(self, store: EventStore) -> None:
        """In pages, by prefix, and by what their names hold; deleted ones are left out."""
        names = ["b-1", "a-2", "a-10", "ä", "a-1", "B", "a_1", "100%", "\U0010ffff", "\U0010ffffx"]
        for name in [*names, "a-gone"]:
            await store.append(name, [event()])
        await store.append("a-2", [event()])
        await store.delete_stream("a-gone")
        assert [item.stream for item in await store.streams()] == sorted(names)
        assert [item.stream for item in await store.streams(prefix="a-")] == ["a-1", "a-10", "a-2"]
        second = await store.streams(prefix="a-", after="a-1", limit=1)
        assert [item.stream for item in second] == ["a-10"]
        assert [item.stream for item in await store.streams(containing="_")] == ["a_1"]
        assert [item.stream for item in await store.streams(containing="%")] == ["100%"]
        assert len(await store.streams(prefix="\U0010ffff")) == 2
        [info] = await store.streams(prefix="a-2")
        assert (info.version, info.first) == (2, 1)
        assert not await store.streams(limit=0)
        assert not await store.streams(prefix="\0")

    async def test_a_stream_is_read_as_it_was(self, store: EventStore) -> None:
        """At a version, or at a time."""
        day = datetime(2024, 1, 1, tzinfo=UTC)
        times = [day + timedelta(days=number) for number in range(4)]
        await store.append("a", [event()._replace(time=time) for time in times])
        assert versions(await store.read_stream("a", until=2)) == [1, 2]
        assert versions(await store.read_stream("a", until=0)) == []
        assert versions(await store.read_stream("a", until=times[2])) == [1, 2, 3]
        back = await store.read_stream("a", until=times[2], direction="backward", limit=2)
        assert versions(back) == [3, 2]
        assert versions(await store.read_stream("a", until=times[2], after=2)) == [3]

    async def test_events_are_found_by_what_they_belong_to(self, store: EventStore) -> None:
        """Correlation, causation and the beginning of the stream's name, alone and together."""
        flow, first, second = uuid4(), uuid4(), uuid4()
        await store.append("order-1", [caused(first, flow), caused(first, flow)])
        await store.append("stock-1", [caused(second, flow)])
        await store.append("order-2", [caused(second), event("u")])
        by_flow = await store.read_page(correlation_id=flow)
        assert positions(by_flow) == [1, 2, 3]
        assert positions(await store.read_page(correlation_id=flow, after=1, limit=1)) == [2]
        assert positions(await store.read_page(causation_id=first)) == [1, 2]
        assert positions(await store.read_page(causation_id=second)) == [3, 4]
        back = await store.read_page(causation_id=second, direction="backward", limit=1)
        assert positions(back) == [4]
        both = await store.read_page(causation_id=second, correlation_id=flow)
        assert positions(both) == [3]
        assert positions(await store.read_page(prefix="order-")) == [1, 2, 4, 5]
        assert positions(await store.read_page(prefix="order-2", types=["u"])) == [5]
        assert positions(await store.read_page(prefix="s")) == [3]
        assert positions(await store.read_page(prefix="order-1", category="order")) == [1, 2]
        assert not await store.read_page(prefix="stock", category="order")
        assert positions(await store.read_page(prefix="st", category="stock")) == [3]
        assert positions(await store.read_page(types=["t", "t", "u"], limit=4)) == [1, 2, 3, 4]
        assert not await store.read_page(correlation_id=uuid4())
