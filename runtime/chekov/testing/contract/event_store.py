"""Contract of the role `events`: append, read and wait."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chekov.domain.event_filter import EventFilter
from chekov.errors import (
    DuplicateCommand,
    DuplicateEvent,
    InvalidAppend,
    StreamExists,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.port import Appended, Expected, NewEvent, RecordedEvent, Store, StreamAppend


def event(type_: str = "happened", data: bytes = b"{}", id_: UUID | None = None) -> NewEvent:
    """An event to append."""
    return NewEvent(id_ or uuid4(), type_, data)


def positions(events: Sequence[RecordedEvent]) -> list[int]:
    """Where the events are in the store."""
    return [item.position for item in events]


def versions(events: Sequence[RecordedEvent]) -> list[int]:
    """Where the events are in their streams."""
    return [item.version for item in events]


def caused(command: UUID, correlation: UUID | None = None) -> NewEvent:
    """An event of a command, which began a correlation of its own by default."""
    return NewEvent(uuid4(), "t", b"{}", None, correlation or command, command)


class EventStoreContract:
    """Tests of `store.events`, through the methods of the store that delegate to it."""

    async def test_an_event_comes_back_as_it_was_stored(self, store: Store) -> None:
        """Every field is kept."""
        when = datetime(2020, 2, 29, 12, 30, 15, 123456, UTC)
        new = NewEvent(uuid4(), "t", '{"ä": [1]}'.encode(), b'{"m": 1}', uuid4(), uuid4(), when)
        appended = await store.append("order-1", [new])
        [read] = await store.read_stream("order-1")
        assert read == RecordedEvent(1, "order-1", 1, *new[:6], when)
        assert appended == Appended("order-1", 1, 1, [read])

    async def test_many_streams_are_read_at_the_same_time(self, store: Store) -> None:
        """Each read gets the whole of its stream, however long that is."""
        lengths = {f"s-{number}": number % 30 for number in range(60)}
        for stream, length in lengths.items():
            if length:
                await store.append(stream, [event() for _ in range(length)])
        pages = await asyncio.gather(*map(store.read_stream, lengths))
        for (stream, length), page in zip(lengths.items(), pages, strict=True):
            assert {item.stream for item in page} <= {stream}
            assert versions(page) == list(range(1, length + 1))

    async def test_omitted_fields_stay_empty(self, store: Store) -> None:
        """The store adds the time and nothing else."""
        before = datetime.now(UTC) - timedelta(minutes=5)
        await store.append("s", [event()])
        [read] = await store.read_page()
        assert (read.metadata, read.correlation_id, read.causation_id) == (None, None, None)
        assert before < read.time < datetime.now(UTC) + timedelta(minutes=5)

    async def test_positions_and_versions_are_contiguous_from_one(self, store: Store) -> None:
        """Across streams and within them."""
        await store.append("a", [event(), event()])
        await store.append("b", [event()])
        appended = await store.append("a", [event(), event(), event()])
        assert (appended.version, appended.position) == (5, 6)
        assert positions(await store.read_page()) == [1, 2, 3, 4, 5, 6]
        assert versions(await store.read_stream("a")) == [1, 2, 3, 4, 5]
        assert positions(await store.read_stream("a")) == [1, 2, 4, 5, 6]
        assert await store.head() == 6

    async def test_an_exact_version_is_demanded(self, store: Store) -> None:
        """The error has the actual version."""
        await store.append("a", [event()], expected=0)
        await store.append("a", [event()], expected=1)
        for wrong in (0, 1, 3):
            with pytest.raises(WrongExpectedVersion) as caught:
                await store.append("a", [event()], expected=wrong)
            assert caught.value.actual == 2
        with pytest.raises(WrongExpectedVersion) as caught:
            await store.append("b", [event(), event()], expected=1)
        assert caught.value.actual == 0
        assert await store.head() == 2

    async def test_a_stream_can_be_demanded_to_be_new_or_to_exist(self, store: Store) -> None:
        """`NO_STREAM` and `STREAM_EXISTS`, with one event and with two."""
        for count in (1, 2):
            name = f"s-{count}"
            events = [event() for _ in range(count)]
            with pytest.raises(StreamNotFound):
                await store.append(name, events, expected=Expected.STREAM_EXISTS)
            await store.append(name, events, expected=Expected.NO_STREAM)
            with pytest.raises(StreamExists):
                await store.append(
                    name, [event() for _ in range(count)], expected=Expected.NO_STREAM
                )
            again = await store.append(name, [event()], expected=Expected.STREAM_EXISTS)
            assert again.version == count + 1
        assert positions(await store.read_page()) == [1, 2, 3, 4, 5]

    async def test_an_id_is_stored_once(self, store: Store) -> None:
        """A repeated one refuses the whole append."""
        first = event()
        await store.append("a", [first])
        with pytest.raises(DuplicateEvent) as caught:
            await store.append("b", [event(), first])
        assert caught.value.event_id == str(first.id)
        twice = event()
        with pytest.raises(DuplicateEvent):
            await store.append("b", [twice, twice])
        assert await store.head() == 1
        assert not await store.read_stream("b")

    @pytest.mark.parametrize("stream", ["", "a\0b", "\ud800", "x" * 1001, "$all", "$link"])
    async def test_names_that_cannot_be_stored_are_refused(self, store: Store, stream: str) -> None:
        """As names of streams and of types; asking for them finds nothing."""
        with pytest.raises(InvalidAppend):
            await store.append(stream, [event()])
        with pytest.raises(InvalidAppend):
            await store.append("a", [event(type_=stream)])
        assert not await store.read_stream(stream)
        assert not await store.read_page(filter=EventFilter(types=frozenset({stream})))
        with pytest.raises(StreamNotFound):
            await store.streams.info(stream)

    @pytest.mark.parametrize(
        "stream",
        ["it's", 'a"b', "a,b", "a\\b", "a;drop table events", "ä-1", "🐘", "x" * 1000, " "],
    )
    async def test_any_other_name_works(self, store: Store, stream: str) -> None:
        """Whatever it looks like."""
        await store.append(stream, [event(type_=stream)])
        [read] = await store.read_stream(stream)
        assert (read.stream, read.type) == (stream, stream)
        assert (await store.streams.info(stream)).version == 1

    @pytest.mark.parametrize("data", [b"\xff\0", b"[1]", b"\x81\xa1a\x01", b" {}", b'"x"'])
    async def test_other_payloads_than_json_objects_are_stored_unchanged(
        self, store: Store, data: bytes
    ) -> None:
        """Also between JSON objects of one append, and alone on a stream that is known."""
        mixed = [event(), event(data=data), event(data=b'{"a": 1}')]
        await store.append("a", mixed)
        await store.append("a", [event(data=data)], expected=3)
        read = await store.read_stream("a")
        assert [item.data for item in read] == [b"{}", data, b'{"a": 1}', data]

    @pytest.mark.parametrize("data", [b"", b"{", b'{"a": "\0"}', b"{} {}", b"{\xff}"])
    async def test_broken_json_is_refused(self, store: Store, data: bytes) -> None:
        """As data and as metadata."""
        with pytest.raises(InvalidAppend):
            await store.append("a", [event(data=data)])
        with pytest.raises(InvalidAppend):
            await store.append("a", [NewEvent(uuid4(), "t", b"{}", data)])
        assert await store.head() == 0

    async def test_an_append_needs_events_and_a_sensible_expectation(self, store: Store) -> None:
        """Nothing to store is a mistake of the caller."""
        with pytest.raises(InvalidAppend):
            await store.append("a", [])
        with pytest.raises(InvalidAppend):
            await store.append("a", [event()], expected=-3)

    async def test_a_rejected_append_fails_alone(self, store: Store) -> None:
        """Bad JSON, a conflict and a repeated id among many that are sent at once."""
        taken = event()
        await store.append("taken", [taken])
        bad = {
            3: ("s-3", [event(data=b"{")], Expected.ANY),
            7: ("s-7", [event(), event(id_=taken.id)], Expected.ANY),
            11: ("s-11", [event()], 5),
        }
        appends = [bad.get(n, (f"s-{n}", [event(), event()], 0)) for n in range(20)]
        answers = await asyncio.gather(
            *(store.append(stream, events, expected=wish) for stream, events, wish in appends),
            return_exceptions=True,
        )
        kinds = {n: type(answer) for n, answer in enumerate(answers) if n in bad}
        assert kinds == {3: InvalidAppend, 7: DuplicateEvent, 11: WrongExpectedVersion}
        assert sum(isinstance(answer, Appended) for answer in answers) == 17
        assert positions(await store.read_page()) == list(range(1, 36))

    async def test_one_of_several_writers_at_a_version_succeeds(self, store: Store) -> None:
        """However many there are."""
        answers = await asyncio.gather(
            *(store.append("a", [event()], expected=0) for _ in range(30)), return_exceptions=True
        )
        assert sum(isinstance(answer, Appended) for answer in answers) == 1
        assert await store.head() == 1

    async def test_appends_to_one_stream_keep_their_order(self, store: Store) -> None:
        """Sent at once, with expectations that build on each other and without any."""
        exact = [store.append("exact", [event()], expected=n) for n in range(20)]
        free = [store.append("free", [event(), event()]) for _ in range(20)]
        answers = await asyncio.gather(*exact, *free)
        assert [answer.version for answer in answers[:20]] == list(range(1, 21))
        assert [answer.version for answer in answers[20:]] == list(range(2, 42, 2))
        assert versions(await store.read_stream("free")) == list(range(1, 41))
        assert positions(await store.read_page()) == list(range(1, 61))
        for answer in answers:
            found = await store.read_page(after=answer.recorded[0].position - 1, limit=2)
            assert list(found)[: len(answer.recorded)] == list(answer.recorded)

    async def test_large_appends_work(self, store: Store) -> None:
        """Ten megabytes in one event, and ten thousand events at once."""
        data = b'"' + b"x" * 10_000_000 + b'"'
        await store.append("large", [event(data=data)])
        appended = await store.append("many", [event() for _ in range(10_000)])
        assert (appended.version, appended.position) == (10_000, 10_001)
        [large] = await store.read_stream("large")
        assert large.data == data

    async def test_pages_go_both_ways(self, store: Store) -> None:
        """`after` is left out, and backward from zero starts at the end."""
        for number in range(10):
            await store.append(f"s-{number % 2}", [event()])
        assert positions(await store.read_page(after=3, limit=4)) == [4, 5, 6, 7]
        assert positions(await store.read_page(after=9)) == [10]
        assert not await store.read_page(after=10)
        assert positions(await store.read_page(direction="backward", limit=3)) == [10, 9, 8]
        assert positions(await store.read_page(after=3, direction="backward")) == [2, 1]
        assert not await store.read_page(after=1, direction="backward")
        assert positions(await store.read_page(after=99, direction="backward", limit=1)) == [10]
        assert versions(await store.read_stream("s-1", after=1, limit=2)) == [2, 3]
        assert versions(await store.read_stream("s-1", direction="backward", limit=2)) == [5, 4]
        assert versions(await store.read_stream("s-1", after=3, direction="backward")) == [2, 1]
        assert not await store.read_stream("none")
        assert not await store.read_page(limit=0)
        assert not await store.read_stream("s-1", limit=0)

    async def test_the_log_can_be_iterated(self, store: Store) -> None:
        """Over the borders of pages."""
        await store.append("a", [event() for _ in range(2500)])
        seen = [item.position async for item in store.read_all(after=100)]
        assert seen == list(range(101, 2501))

    async def test_a_cancelled_append_fails_no_other(self, store: Store) -> None:
        """Whether it was stored or not, the others go on."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(store.append(f"s-{n}", [event()])) for n in range(30)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
        stored = {item.stream for item in await store.read_page()}
        assert stored >= {f"s-{n}" for n in range(30) if n % 3}
        assert positions(await store.read_page()) == list(range(1, len(stored) + 1))

    async def test_it_answers_a_ping(self, store: Store) -> None:
        """While it is open."""
        await store.ping()

    async def test_several_streams_are_appended_to_together(self, store: Store) -> None:
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

    async def test_events_of_a_command_are_stored_once(self, store: Store) -> None:
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

    async def test_a_command_sent_twice_at_once_is_stored_once(self, store: Store) -> None:
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

    async def test_a_command_sent_to_many_streams_is_stored_once(self, store: Store) -> None:
        """Sent at once, each to a stream of its own."""
        command = uuid4()
        answers = await asyncio.gather(
            *(store.append(f"s-{n}", [caused(command)], command_id=command) for n in range(5)),
            store.append("other", [event()]),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, DuplicateCommand) for answer in answers) == 4
        assert len(await store.read_page(filter=EventFilter(causation=command))) == 1
        assert await store.head() == 2

    async def test_each_concurrent_append_gets_its_own_answer(self, store: Store) -> None:
        """Wrong version, existing, missing, deleted, duplicates and successes, all at once."""
        known, done = event(), uuid4()
        await store.append("there", [known])
        await store.append("gone", [event()])
        await store.append("done", [caused(done)])
        await store.streams.delete("gone")
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

    async def test_a_stream_is_read_as_it_was(self, store: Store) -> None:
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
