"""The stores beside a model that is too simple to be wrong, in any order Hypothesis thinks of."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from chekov.errors import (
    DuplicateEvent,
    Fenced,
    InvalidAppend,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.memory import MemoryStore
from chekov.store.port import Appended, Claim, Expected, NewEvent, Store, SubscriptionKey
from chekov.store.postgres import PostgresStore

STREAMS = ("a-1", "a-2", "b-1", "it's")
OWNERS = ("one", "two", "three")
KEYS = tuple(SubscriptionKey("bank", "mails", partition=number) for number in range(2))

append = st.tuples(
    st.sampled_from(STREAMS),
    st.integers(-2, 4),
    st.lists(st.sampled_from(("new", "taken", "broken", "new", "new")), min_size=1, max_size=3),
)


class Row:
    """What the model knows of a subscription."""

    def __init__(self) -> None:
        self.owner: str | None = None
        self.epoch = 0
        self.position = 0
        self.expired = False
        self.state = "running"


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to a model."""

    opened: Any
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.context: AbstractAsyncContextManager[Store] = self.opened()
        self.store: Store = self.runner.run(self.context.__aenter__())
        self.history: list[tuple[str, UUID]] = []
        self.rows = {key: Row() for key in KEYS}
        self.claims: list[Claim] = []
        self.runner.run(self._register())

    async def _register(self) -> None:
        await self.store.register(KEYS)

    def teardown(self) -> None:
        self.runner.run(self._close())

    async def _close(self) -> None:
        await self.context.__aexit__(None, None, None)

    def version(self, stream: str) -> int:
        return sum(name == stream for name, _ in self.history)

    @rule(wish=append)
    def append_one(self, wish: tuple[str, int, list[str]]) -> None:
        self.runner.run(self._append_one(*wish))

    async def _append_one(self, stream: str, expected: int, kinds: list[str]) -> None:
        events = self._events(kinds)
        version = self.version(stream)
        wanted = self._refusal(stream, expected, kinds)
        if wanted is None:
            answer = await self.store.append(stream, events, expected=expected)
            assert answer.version == version + len(events)
            self.history += [(stream, event.id) for event in events]
            assert answer.position == len(self.history)
        else:
            with pytest.raises(wanted):
                await self.store.append(stream, events, expected=expected)

    @rule(wishes=st.lists(append, min_size=2, max_size=12))
    def append_at_once(self, wishes: list[tuple[str, int, list[str]]]) -> None:
        self.runner.run(self._append_at_once(wishes))

    async def _append_at_once(self, wishes: list[tuple[str, int, list[str]]]) -> None:
        """Which order they get is the store's choice; what it tells must add up."""
        sent = [(stream, expected, self._events(kinds)) for stream, expected, kinds in wishes]
        answers = await asyncio.gather(
            *(self.store.append(stream, events, expected=wish) for stream, wish, events in sent),
            return_exceptions=True,
        )
        stored = [item for item in answers if isinstance(item, Appended)]
        for answer in sorted(stored, key=lambda item: item.position):
            before = self.version(answer.stream)
            assert answer.version == before + len(answer.recorded)
            self.history += [(item.stream, item.id) for item in answer.recorded]
            assert answer.position == len(self.history)
        for (_, expected, _), answer in zip(sent, answers, strict=True):
            if isinstance(answer, Appended) and expected >= 0:
                assert answer.version - len(answer.recorded) == expected

    @rule(after=st.integers(-1, 12), limit=st.integers(0, 7), back=st.booleans())
    def read(self, after: int, limit: int, *, back: bool) -> None:
        self.runner.run(self._read(after, limit, back=back))

    async def _read(self, after: int, limit: int, *, back: bool) -> None:
        direction = "backward" if back else "forward"
        numbers = range(1, len(self.history) + 1)
        if back:
            wanted = [n for n in reversed(numbers) if after <= 0 or n < after][:limit]
        else:
            wanted = [n for n in numbers if n > after][:limit]
        page = await self.store.read_page(after=after, limit=limit, direction=direction)
        assert [item.position for item in page] == wanted
        in_a = await self.store.read_page(category="a", limit=1000)
        assert [item.position for item in in_a] == [
            n for n, (stream, _) in enumerate(self.history, 1) if stream.startswith("a-")
        ]

    @rule(owner=st.sampled_from(OWNERS), lease=st.sampled_from((0, 3600)))
    def claim(self, owner: str, lease: int) -> None:
        self.runner.run(self._claim(owner, lease))

    async def _claim(self, owner: str, lease: int) -> None:
        claims = await self.store.claim(owner, KEYS, lease=lease)
        wanted: dict[SubscriptionKey, tuple[int, int]] = {}
        for key, row in self.rows.items():
            free = row.owner in (None, owner) or row.expired
            if row.state == "running" and free:
                row.epoch += row.owner != owner
                row.owner = owner
                row.expired = lease == 0
                wanted[key] = (row.epoch, row.position)
        assert {claim.key: (claim.epoch, claim.position) for claim in claims} == wanted
        self.claims += claims

    @rule(choice=st.integers(0, 99), position=st.integers(0, 20))
    def save(self, choice: int, position: int) -> None:
        if self.claims:
            self.runner.run(self._save(self.claims[choice % len(self.claims)], position))

    async def _save(self, claim: Claim, position: int) -> None:
        row = self.rows[claim.key]
        if (row.owner, row.epoch) == (claim.owner, claim.epoch):
            await self.store.save(claim, position)
            row.position = max(row.position, position)
        else:
            with pytest.raises(Fenced):
                await self.store.save(claim, position)

    @rule(owner=st.sampled_from(OWNERS))
    def release(self, owner: str) -> None:
        self.runner.run(self.store.release(owner, KEYS))
        for row in self.rows.values():
            if row.owner == owner:
                row.owner = None
                row.expired = False

    @rule(pause=st.booleans())
    def pause_or_resume(self, *, pause: bool) -> None:
        change = self.store.pause if pause else self.store.resume
        self.runner.run(change("bank", "mails"))
        for row in self.rows.values():
            row.state = "paused" if pause else "running"
            if pause:
                row.owner = None
                row.expired = False

    @invariant()
    def history_is_the_same(self) -> None:
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        history = [item async for item in self.store.read_all()]
        assert [(item.stream, item.id) for item in history] == self.history
        assert [item.position for item in history] == list(range(1, len(history) + 1))
        assert await self.store.head() == len(history)
        for stream in STREAMS:
            page = await self.store.read_stream(stream)
            assert [item.version for item in page] == list(range(1, self.version(stream) + 1))
        rows = await self.store.subscriptions("bank")
        assert [(row.key, row.owner, row.epoch, row.position, row.state) for row in rows] == [
            (key, row.owner, row.epoch, row.position, row.state) for key, row in self.rows.items()
        ]

    def _events(self, kinds: list[str]) -> list[NewEvent]:
        taken = self.history[0][1] if self.history else uuid4()
        return [
            NewEvent(
                taken if kind == "taken" else uuid4(), "t", b"{" if kind == "broken" else b"{}"
            )
            for kind in kinds
        ]

    def _refusal(self, stream: str, expected: int, kinds: list[str]) -> tuple[type, ...] | None:
        refusals: list[type] = []
        if "broken" in kinds:
            refusals.append(InvalidAppend)
        if kinds.count("taken") > (0 if self.history else 1):
            refusals.append(DuplicateEvent)
        version = self.version(stream)
        if expected == Expected.STREAM_EXISTS and not version:
            refusals.append(StreamNotFound)
        if expected >= 0 and expected != version:
            refusals.append(WrongExpectedVersion)
        return tuple(refusals) or None


def check(opened: Any, examples: int) -> None:
    with asyncio.Runner() as runner:
        machine = type("Machine", (StoreMachine,), {"opened": opened, "runner": runner})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
            ),
        )


def test_the_store_in_memory_does_what_the_model_does() -> None:
    check(staticmethod(MemoryStore), 60)


def test_the_store_in_postgres_does_what_the_model_does(server: str) -> None:
    numbers = iter(range(1_000_000))

    @asynccontextmanager
    async def opened() -> AsyncGenerator[PostgresStore]:
        schema = f"model_{next(numbers)}"
        async with PostgresStore(server, schema=schema) as store:
            yield store
        connection = await asyncpg.connect(server)
        await connection.execute(f"drop schema {schema} cascade")
        await connection.close()

    check(staticmethod(opened), 15)
