"""Decisions by scopes: each that is stored was by all events in its scope that precede it.

Decisions are begun, overtaken by each other and by events that others store, read on, repeated at
once by several racers, and given up as by a crash. Streams are erased meanwhile, which frees what
their events had taken.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from chekov import WrongExpectedVersion
from chekov.domain.scope import Scope, ScopeItem
from chekov.serialization.conditions import kept_condition
from chekov.store.memory import MemoryStore
from chekov.store.port import (
    Appended,
    ConditionAhead,
    ConditionFailed,
    NewEvent,
    NoneSince,
    RecordedEvent,
    StreamAppend,
)
from tests.model.state_machines import StoreMachine, check, in_postgres

TYPES = ("defined", "subscribed")
TAGS = ("course:1", "course:2", "student:1")
STREAMS = ("a", "b", "c")

items = st.builds(
    ScopeItem,
    types=st.frozensets(st.sampled_from(TYPES), min_size=1),
    tags=st.frozensets(st.sampled_from(TAGS), max_size=2),
)
scopes = st.lists(items, min_size=1, max_size=2, unique=True).map(lambda found: Scope((*found,)))


def an_event(type_: str, tags: frozenset[str]) -> NewEvent:
    return NewEvent(uuid4(), type_, b"{}", tags=sorted(tags))


events = st.builds(
    an_event, st.sampled_from(TYPES), st.frozensets(st.sampled_from(TAGS), max_size=3)
)
several = st.lists(events, min_size=1, max_size=3)
streams = st.sampled_from(STREAMS)


@dataclass
class Stored:
    """An event as the model has it; erased ones are in no scope."""

    id: UUID
    stream: str
    version: int
    type: str
    tags: Collection[str]
    erased: bool = False


@dataclass
class Decision:
    """What a scope held when it was read."""

    scope: Scope
    seen: list[UUID]
    position: int = 0
    anchor: UUID | None = None

    @property
    def condition(self) -> NoneSince:
        return NoneSince(self.scope, self.position, self.anchor)


class BoundaryMachine(StoreMachine):
    """Has the whole log, and the decisions that are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Stored] = []
        self.decisions: list[Decision] = []
        self.conditions: dict[int, NoneSince] = {}

    def in_scope(self, scope: Scope, after: int) -> Sequence[int]:
        """The positions of the events in a scope above one."""
        return [
            position
            for position, event in enumerate(self.log, 1)
            if position > after and not event.erased and scope.matches(event.type, event.tags)
        ]

    def version(self, stream: str) -> int:
        return max(
            (each.version for each in self.log if each.stream == stream and not each.erased),
            default=0,
        )

    def note(self, appended: Appended, new: Sequence[NewEvent]) -> None:
        assert [event.position for event in appended.recorded] == list(
            range(len(self.log) + 1, len(self.log) + len(new) + 1)
        )
        for event, stored in zip(new, appended.recorded, strict=True):
            assert stored.version == self.version(appended.stream) + 1
            self.log.append(
                Stored(event.id, appended.stream, stored.version, event.type, event.tags)
            )

    @rule(stream=streams, new=several)
    def store_plainly(self, stream: str, new: list[NewEvent]) -> None:
        self.note(self.run(self.store.append(stream, new)), new)

    @rule(scope=scopes)
    def begin(self, scope: Scope) -> None:
        self.decisions.append(Decision(scope, []))
        self.read_on(len(self.decisions) - 1, limit=1000)

    @precondition(lambda self: self.decisions)
    @rule(number=st.integers(0, 9), limit=st.sampled_from([1, 2, 1000]))
    def read_on(self, number: int, limit: int) -> None:
        decision = self.decisions[number % len(self.decisions)]
        expected = self.in_scope(decision.scope, decision.position)
        found = self.run(
            self.store.read_scope(
                decision.scope, after=decision.position, anchor=decision.anchor, limit=limit
            )
        )
        assert [event.position for event in found.events] == expected[:limit]
        if len(found.events) < limit:
            assert found.through == len(self.log)
        assert found.anchor == (self.log[found.through - 1].id if found.through else None)
        decision.seen += [event.id for event in found.events]
        decision.position, decision.anchor = found.through, found.anchor

    @precondition(lambda self: self.decisions)
    @rule(
        number=st.integers(0, 9),
        stream=streams,
        new=several,
        guarded=streams,
        stale=st.integers(0, 1),
    )
    def decide(
        self, number: int, stream: str, new: list[NewEvent], guarded: str, stale: int
    ) -> None:
        """Store what was decided, if nothing else was stored meanwhile."""
        decision = self.decisions[number % len(self.decisions)]
        met = self.in_scope(decision.scope, decision.position)
        version = self.version(guarded)
        unchanged = None if guarded == stream else {guarded: version + stale}
        append = self.store.append(stream, new, condition=decision.condition, unchanged=unchanged)
        match self.run(_all([append]))[0]:
            case ConditionFailed() as error:
                first = self.log[met[0] - 1]
                assert (error.position, error.type) == (met[0], first.type)
            case WrongExpectedVersion() as error:
                assert stale
                assert unchanged
                assert (error.stream, error.actual) == (guarded, version)
            case appended:
                assert isinstance(appended, Appended)
                assert not met
                assert not (stale and unchanged)
                self.conditions[len(self.log) + 1] = decision.condition
                self.note(appended, new)
                self.decisions.remove(decision)

    @precondition(lambda self: self.decisions)
    @rule(number=st.integers(0, 9), new=several, other=several)
    def decide_together(self, number: int, new: list[NewEvent], other: list[NewEvent]) -> None:
        decision = self.decisions[number % len(self.decisions)]
        met = self.in_scope(decision.scope, decision.position)
        both = [StreamAppend("a", new), StreamAppend("b", other)]
        append = self.store.append_together(both, condition=decision.condition)
        if met:
            with pytest.raises(ConditionFailed) as caught:
                self.run(append)
            assert caught.value.position == met[0]
            return
        self.conditions[len(self.log) + 1] = decision.condition
        for appended, own in zip(self.run(append), (new, other), strict=True):
            self.note(appended, own)

    @rule(scope=scopes, racers=st.integers(2, 6), new=several)
    def race(self, scope: Scope, racers: int, new: list[NewEvent]) -> None:
        """All have read the same, and each would store an event like the others'."""
        self.begin(scope)
        condition = self.decisions.pop().condition
        copies = [[event._replace(id=uuid4()) for event in new] for _ in range(racers)]
        answers = self.run(
            _all(
                self.store.append(f"racer-{n}", copy, condition=condition)
                for n, copy in enumerate(copies)
            )
        )
        excludes = any(scope.matches(event.type, event.tags) for event in new)
        stored = [
            (answer, copy)
            for answer, copy in zip(answers, copies, strict=True)
            if isinstance(answer, Appended)
        ]
        assert len(stored) == (1 if excludes else racers)
        assert all(isinstance(answer, Appended | ConditionFailed) for answer in answers)
        for answer, copy in sorted(stored, key=lambda pair: pair[0].position):
            self.conditions[len(self.log) + 1] = condition
            self.note(answer, copy)

    @precondition(lambda self: self.decisions)
    @rule(number=st.integers(0, 9))
    def crash(self, number: int) -> None:
        """Between reading and storing; nothing of it is left."""
        del self.decisions[number % len(self.decisions)]

    @precondition(lambda self: self.log)
    @rule(scope=scopes, back=st.integers(0, 3), new=several)
    def decide_by_another_log(self, scope: Scope, back: int, new: list[NewEvent]) -> None:
        """Whose events a fail-over lost, as the anchor shows wherever the log ends now."""
        condition = NoneSince(scope, max(len(self.log) - back, 1), uuid4())
        for position in (condition.position, len(self.log) + 1):
            condition = condition._replace(position=position)
            with pytest.raises(ConditionAhead):
                self.run(self.store.append("a", new, condition=condition))

    @rule(stream=streams)
    def erase(self, stream: str) -> None:
        if not self.version(stream):
            return
        position = self.run(self.store.streams.delete(stream, erase=True))
        for event in self.log:
            if event.stream == stream:
                event.erased = True
        # Its end is erased with it.
        if position > len(self.log):
            end = self.run(self.store.read_page(after=position - 1, limit=1))[0]
            self.log.append(Stored(end.id, stream, position, "$erased", (), erased=True))

    @invariant()
    def every_accepted_condition_held(self) -> None:
        for position, (scope, after, _) in self.conditions.items():
            assert not [each for each in self.in_scope(scope, after) if each < position]

    def teardown(self) -> None:
        """What the log keeps of the conditions is what was demanded."""
        log = self.run(self._read())
        assert [event.id for event in log] == [event.id for event in self.log]
        for position, condition in self.conditions.items():
            if not self.log[position - 1].erased:
                kept = kept_condition(log[position - 1].metadata)
                assert kept is not None
                assert (kept.as_scope(), kept.after) == condition[:2]
        super().teardown()

    async def _read(self) -> Sequence[RecordedEvent]:
        return [event async for event in self.store.read_all()]


async def _all(work: Any) -> Sequence[Appended | BaseException]:
    return await asyncio.gather(*work, return_exceptions=True)


def test_decisions_in_memory_follow_the_model() -> None:
    check(BoundaryMachine, MemoryStore, examples=200, steps=40)


def test_decisions_in_postgres_follow_the_model(server: str) -> None:
    check(BoundaryMachine, in_postgres(server), examples=15, steps=40)
