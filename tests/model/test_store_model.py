"""The stores beside a model that is too simple to be wrong, in any order Hypothesis thinks of."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from chekov.domain.event_filter import EventFilter
from chekov.errors import StoreError, StreamDeleted, StreamNotFound
from chekov.store.memory import MemoryStore
from chekov.store.port import Appended, Direction, NewEvent, RecordedEvent, Snapshot, StreamAppend
from tests.model.state_machines import StoreMachine, check, in_postgres
from tests.model.store_model import Entry, Errors, Model, is_broken, looks_like

T = TypeVar("T")

STREAMS = ("a-1", "a-2", "a", "b-1", "it's", "\U0010ffff", "A-1")
TYPES = ("t", "u", 'say "t"')
DAYS = tuple(datetime(2020, month, 1, tzinfo=UTC) for month in (1, 2, 3))
KINDS = ("new",) * 6 + ("taken", "broken", "binary", "noted", "timed", "caused", "caused")
POOL = tuple(UUID(int=number) for number in range(1, 4))
"""Ids of commands and flows."""

streams = st.sampled_from(STREAMS)
expectations = st.sampled_from((-2, -1, -1, -1, 0, 1, 2, 3, 4))
kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=3)
appends = st.tuples(streams, kinds, expectations)
numbers = st.integers(-1, 9)


class Wish(NamedTuple):
    """One of several things that are asked for at once."""

    what: str
    append: StreamAppend
    other: StreamAppend
    command_id: UUID | None


class EventsMachine(StoreMachine):
    """Does the same to a store and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.made = 0

    @rule(wish=appends, command_id=st.sampled_from((None, None, *POOL)))
    def append(self, wish: tuple[str, list[str], int], command_id: UUID | None) -> None:
        append = self.new(wish)
        refusals = self.model.refusals(append, command_id)
        appended = self.tried(
            lambda: self.store.append(
                append.stream, append.events, expected=append.expected, command_id=command_id
            ),
            refusals,
        )
        if appended is not None:
            self.same_answer(appended, self.model.store(append.stream, append.events))

    @rule(wishes=st.lists(appends, min_size=0, max_size=3))
    def append_together(self, wishes: list[tuple[str, list[str], int]]) -> None:
        together = [self.new(wish) for wish in wishes]
        refusals = self.model.refusals_together(together)
        answers = self.tried(lambda: self.store.append_together(together), refusals)
        for append, appended in zip(together, answers or (), strict=answers is not None):
            self.same_answer(appended, self.model.store(append.stream, append.events))

    @rule(stream=streams, positions=st.lists(numbers, max_size=3), expected=expectations)
    def link(self, stream: str, positions: list[int], expected: int) -> None:
        refusals = self.model.link_refusals(stream, positions, expected)
        linked = self.tried(
            lambda: self.store.streams.link(stream, positions, expected=expected), refusals
        )
        if linked is not None:
            ids = [item.id for item in linked.recorded]
            self.same_answer(linked, self.model.link(stream, positions, ids))

    @rule(stream=streams, expected=expectations, erase=st.booleans())
    def delete(self, stream: str, expected: int, *, erase: bool) -> None:
        refusals = self.model.delete_refusals(stream, expected, erase=erase)
        position = self.tried(
            lambda: self.store.streams.delete(stream, expected=expected, erase=erase), refusals
        )
        if position is not None:
            [end] = self.run(self.store.read_page(after=position - 1))
            assert self.model.delete(stream, end.id, erase=erase) == position

    @rule(stream=streams, before=numbers, erase=st.booleans())
    def truncate(self, stream: str, before: int, *, erase: bool) -> None:
        refusals = self.model.truncate_refusals(stream, before)
        self.tried(
            lambda: self.store.streams.truncate(stream, before=before, erase=erase), refusals
        )
        if not refusals:
            self.model.truncate(stream, before, erase=erase)

    @rule(
        wishes=st.lists(
            st.tuples(
                st.sampled_from(("append", "append", "append", "together", "delete", "erase")),
                appends,
                appends,
                st.sampled_from((None, None, *POOL)),
            ),
            min_size=2,
            max_size=10,
        )
    )
    def at_once(self, wishes: list[tuple[str, Any, Any, UUID | None]]) -> None:
        """Their order is the store's choice; its answers must be consistent."""
        sent = [
            Wish(what, self.new(one), self.new(two), command_id)
            for what, one, two, command_id in wishes
        ]

        async def ask() -> list[Any]:
            return await asyncio.gather(*map(self.ask, sent), return_exceptions=True)

        answers = self.run(ask())
        done: list[tuple[int, Wish, Any]] = []
        for wish, answer in zip(sent, answers, strict=True):
            if isinstance(answer, StoreError):
                continue
            assert not isinstance(answer, BaseException), answer
            first = answer if isinstance(answer, int) else answer[0].recorded[0].position
            done.append((first, wish, answer))
        for position, wish, answer in sorted(done):
            assert position == len(self.model.log) + 1
            self.replay(wish, answer)

    async def ask(self, wish: Wish) -> int | Sequence[Appended]:
        stream, events, expected = wish.append
        if wish.what == "append":
            return [
                await self.store.append(
                    stream, events, expected=expected, command_id=wish.command_id
                )
            ]
        if wish.what == "together":
            return await self.store.append_together([wish.append, wish.other])
        return await self.store.streams.delete(
            stream, expected=expected, erase=wish.what == "erase"
        )

    def replay(self, wish: Wish, answer: Any) -> None:
        """It was done: so it must have been allowed where it stands."""
        stream, events, expected = wish.append
        if isinstance(answer, int):
            erase = wish.what == "erase"
            assert not self.model.delete_refusals(stream, expected, erase=erase)
            [end] = self.run(self.store.read_page(after=answer - 1, limit=1))
            self.model.delete(stream, end.id, erase=erase)
        elif wish.what == "append":
            assert not self.model.refusals(wish.append, wish.command_id)
            self.same_answer(answer[0], self.model.store(stream, events))
        else:
            both = [wish.append, wish.other]
            assert not self.model.refusals_together(both)
            for append, appended in zip(both, answer, strict=True):
                self.same_answer(appended, self.model.store(append.stream, append.events))

    @rule(
        after=numbers,
        limit=st.integers(-1, 7),
        back=st.booleans(),
        types=st.none() | st.lists(st.sampled_from((*TYPES, "$deleted", "\0"))),
        category=st.sampled_from((None, None, "a", "A", "b", "")),
        prefix=st.sampled_from((None, None, None, "", "a", "a-1", "i", "$", "\U0010ffff", "\0")),
        correlation_id=st.sampled_from((None, None, *POOL)),
        causation_id=st.sampled_from((None, None, *POOL)),
    )
    def read_page(
        self,
        after: int,
        limit: int,
        types: list[str] | None,
        category: str | None,
        prefix: str | None,
        correlation_id: UUID | None,
        causation_id: UUID | None,
        *,
        back: bool,
    ) -> None:
        def is_meant(entry: Entry) -> bool:
            return (
                (types is None or entry.type in types)
                and (category is None or entry.stream.startswith(f"{category}-"))
                and (prefix is None or entry.stream.startswith(prefix))
                and (correlation_id is None or entry.correlation_id == correlation_id)
                and (causation_id is None or entry.causation_id == causation_id)
            )

        page = self.run(
            self.store.read_page(
                after=after,
                limit=limit,
                direction=towards(back=back),
                filter=EventFilter(
                    types=None if types is None else frozenset(types),
                    category=category,
                    prefix=prefix,
                    correlation=correlation_id,
                    causation=causation_id,
                ),
            )
        )
        same(page, self.model.read_page(after, limit, is_meant, back=back))

    @rule(
        stream=streams,
        after=numbers,
        limit=st.integers(-1, 7),
        back=st.booleans(),
        until=st.sampled_from((None, -1, 0, 1, 2, 4, *DAYS)),
    )
    def read_stream(
        self, stream: str, after: int, limit: int, until: int | datetime | None, *, back: bool
    ) -> None:
        page = self.run(
            self.store.read_stream(
                stream, after=after, limit=limit, direction=towards(back=back), until=until
            )
        )
        same(page, self.model.read_stream(stream, after, limit, until, back=back))

    @rule(
        prefix=st.sampled_from(("", "", "a", "a-", "\U0010ffff", "\0")),
        containing=st.sampled_from(("", "", "-", "1", "'", "%", "\0")),
        after=st.sampled_from(("", "", *STREAMS)),
        limit=st.integers(-1, 5),
    )
    def list_streams(self, prefix: str, containing: str, after: str, limit: int) -> None:
        listed = self.run(
            self.store.streams.list(prefix=prefix, containing=containing, after=after, limit=limit)
        )
        wanted = [
            (name, self.model.version(name), self.model.first(name))
            for name in self.model.readable()
            if name.startswith(prefix) and containing in name and name > after
        ]
        assert [(info.stream, info.version, info.first) for info in listed] == wanted[
            : max(limit, 0)
        ]

    @rule(stream=streams)
    def look_at_a_stream(self, stream: str) -> None:
        refusals: Errors = set()
        if self.model.is_deleted(stream):
            refusals.add(StreamDeleted)
        elif not self.model.version(stream):
            refusals.add(StreamNotFound)
        info = self.tried(lambda: self.store.streams.info(stream), refusals)
        if info is not None:
            assert (info.version, info.first) == (
                self.model.version(stream),
                self.model.first(stream),
            )

    @rule(stream=streams, version=st.integers(1, 4), kind=st.sampled_from(("k", "l")))
    def save_snapshot(self, stream: str, version: int, kind: str) -> None:
        snapshot = Snapshot(stream, version, kind, f"{stream} {version} {kind}".encode())
        self.run(self.store.snapshots.save(snapshot))
        self.model.save_snapshot(snapshot)

    @rule(stream=streams)
    def forget_snapshot(self, stream: str) -> None:
        self.run(self.store.snapshots.forget(stream))
        self.model.snapshots.pop(stream, None)

    @invariant()
    def history_is_the_same(self) -> None:
        async def read() -> list[RecordedEvent]:
            return [item async for item in self.store.read_all()]

        history = self.run(read())
        same(history, list(enumerate(self.model.log, 1)))
        assert self.run(self.store.head()) == len(history)

    @invariant()
    def streams_are_the_same(self) -> None:
        for stream in STREAMS:
            page = self.run(self.store.read_stream(stream))
            same(page, self.model.read_stream(stream, 0, 1000, None, back=False))
            assert self.run(self.store.snapshots.load(stream)) == self.model.snapshots.get(stream)

    def new(self, wish: tuple[str, list[str], int]) -> StreamAppend:
        stream, kinds, expected = wish
        return StreamAppend(stream, [self.event(kind) for kind in kinds], expected)

    def event(self, kind: str) -> NewEvent:
        self.made += 1
        n = self.made
        event = NewEvent(uuid4(), TYPES[n % 3], b'{"n": %d}' % n)
        if kind == "taken" and self.model.log:
            return event._replace(id=self.model.log[n % len(self.model.log)].id)
        if kind == "broken":
            return event._replace(**{("data", "metadata")[n % 2]: b"{"})
        return {
            "binary": event._replace(data=b"\xff\0%d" % n),
            "noted": event._replace(metadata=b'{"by": [%d]}' % n),
            "timed": event._replace(time=DAYS[n % 3]),
            "caused": event._replace(
                correlation_id=POOL[n % 3], causation_id=(*POOL, *POOL, None)[n % 7]
            ),
        }.get(kind, event)

    def tried(self, call: Callable[[], Coroutine[Any, Any, T]], refusals: Errors) -> T | None:
        """The answer, or nothing when the call was refused as the model says."""
        if not refusals:
            return self.run(call())
        with pytest.raises(StoreError) as caught:
            self.run(call())
        assert caught.type in refusals
        return None

    def same_answer(self, appended: Appended, places: Sequence[int]) -> None:
        entries = [(place, self.model.log[place - 1]) for place in places]
        same(appended.recorded, entries)
        assert appended[:3] == (entries[-1][1].stream, entries[-1][1].version, places[-1])


def towards(*, back: bool) -> Direction:
    return "backward" if back else "forward"


def same(page: Sequence[RecordedEvent], wanted: Sequence[tuple[int, Entry]]) -> None:
    assert [item.position for item in page] == [position for position, _ in wanted]
    for recorded, (position, entry) in zip(page, wanted, strict=True):
        assert looks_like(recorded, position, entry), (recorded, entry)


def test_the_model_knows_broken_events() -> None:
    assert is_broken(NewEvent(uuid4(), "t", b"{"))
    assert not is_broken(NewEvent(uuid4(), "t", b"{}"))


def test_events_in_memory_do_what_the_model_does() -> None:
    check(EventsMachine, MemoryStore, examples=150, steps=30)


def test_events_in_postgres_do_what_the_model_does(server: str) -> None:
    check(EventsMachine, in_postgres(server), examples=15, steps=30)
