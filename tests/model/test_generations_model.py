"""Generations of a projection in Postgres beside a model of them.

Two processes build, crash, take over and write with claims that are stale, while rebuilds are
begun, cancelled, switched to and dropped. After every step each generation holds each event once,
and a query sees one that is built and not older than what a query saw before.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from chekov.domain.connection import Connection
from chekov.errors import Fenced
from chekov.store.port import (
    CheckpointMove,
    Claim,
    GenerationRefused,
    ProjectionBuilding,
    ReadModels,
    SubscriptionKey,
)
from chekov.testing.contract.event_store import event
from tests.model.state_machines import StoreMachine, check, in_postgres

PROCESSES = ("one", "two")
KEY = SubscriptionKey("bank", "seen")
TABLES = "create table seen (position bigint)"
POSITIONS = "select coalesce(array_agg(position order by position), '{}') from seen"
LONG = 3600.0


class Crash(Exception):
    """The process ends in the middle of a transaction."""


@dataclass
class Build:
    """What the model knows of a generation."""

    state: str
    registered: int
    position: int = 0
    owner: str | None = None
    epoch: int = 0

    def takes(self, claim: Claim) -> bool:
        return self.state != "retired" and (self.owner, self.epoch) == (claim.owner, claim.epoch)


class GenerationsMachine(StoreMachine):
    """Does the same to a store and to generations in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.head = 0
        self.builds: dict[int, Build] = {}
        self.claims: list[Claim] = []
        self.served = 0

    @property
    def models(self) -> ReadModels:
        assert self.store.read_models is not None
        return self.store.read_models

    @initialize(events=st.integers(0, 4))
    def begin(self, events: int) -> None:
        if events:
            self.append(events)
        self.restart()

    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        self.run(self.store.append("a", [event() for _ in range(count)]))
        self.head += count

    @rule()
    def restart(self) -> None:
        """Every process begins the first generation when it starts."""
        self.run(self.models.generations.begin(KEY, TABLES))
        if not self.builds:
            self.builds[1] = Build("building" if self.head else "serving", self.head)

    @rule(process=st.sampled_from(PROCESSES), killed=st.booleans())
    def claim(self, process: str, *, killed: bool) -> None:
        """Take what is free, and what the other process had if that was killed."""
        vanished = [other for other in PROCESSES if killed and other != process]
        keys = [_key(number) for number, build in self.builds.items() if build.state != "retired"]
        claims = self.run(
            self.store.subscriptions.claim(process, keys, lease=LONG, vanished=vanished)
        )
        taken: list[int] = []
        for number, build in sorted(self.builds.items()):
            if build.state != "retired" and build.owner in (None, process, *vanished):
                build.epoch += build.owner != process
                build.owner = process
                taken.append(number)
        assert sorted(claim.key.generation for claim in claims) == taken
        for number in taken:
            self._moved(number)
        self.claims += claims

    @rule(process=st.sampled_from(PROCESSES))
    def release(self, process: str) -> None:
        owned = [number for number, build in self.builds.items() if build.owner == process]
        keys = [_key(number) for number in owned]
        self.run(self.store.subscriptions.release(process, keys))
        for number in owned:
            self.builds[number].owner = None
            self._moved(number)

    @rule(choice=st.integers(0, 99), count=st.integers(1, 4), crash=st.booleans())
    def handle(self, choice: int, count: int, *, crash: bool) -> None:
        """Handle the next events in a transaction, perhaps with a claim that is long stale."""
        claim = self._chosen(choice)
        if claim is None:
            return
        build = self.builds.get(claim.key.generation)
        last = self._last(claim, count)
        if crash:
            with pytest.raises(Crash):
                self.run(self._handle(claim, last, crash=True))
        elif build is None or not build.takes(claim) or last == build.position:
            with pytest.raises(Fenced):
                self.run(self._handle(claim, last))
        else:
            self.run(self._handle(claim, last))
            build.position = last
            self._moved(claim.key.generation)

    @rule(first=st.integers(0, 99), second=st.integers(0, 99), count=st.integers(1, 4))
    def handle_together(self, first: int, second: int, count: int) -> None:
        """Two owners commit at once, while somebody queries."""
        claims = [claim for claim in map(self._chosen, (first, second)) if claim is not None]
        claims = list({claim.key: claim for claim in claims}.values())

        async def together() -> tuple[Sequence[int] | None, Sequence[bool]]:
            attempts = (self._committed(claim, self._last(claim, count)) for claim in claims)
            return await asyncio.gather(self._query(), asyncio.gather(*attempts))

        seen, committed = self.run(together())
        for claim, done in zip(claims, committed, strict=True):
            if done:
                self.builds[claim.key.generation].position = self._last(claim, count)
        if seen is not None:
            assert list(seen) == list(range(1, len(seen) + 1))
            assert len(seen) >= self.served
            self.served = len(seen)
        self._adopt_switch()

    @rule()
    def rebuild(self) -> None:
        rebuild = self.models.generations.rebuild
        if self._number("serving") is None or self._number("building") is not None:
            with pytest.raises(GenerationRefused):
                self.run(rebuild("bank", "seen"))
            return
        number = max(self.builds) + 1
        assert self.run(rebuild("bank", "seen")) == _key(number)
        self.builds[number] = Build("building", self.head)
        self._moved(number)

    @rule()
    def cancel(self) -> None:
        building = self._number("building")
        if building is None or self._number("serving") is None:
            with pytest.raises(GenerationRefused):
                self.run(self.models.generations.cancel("bank", "seen"))
            return
        self.run(self.models.generations.cancel("bank", "seen"))
        self._forget(building)

    @rule()
    def drop_retired(self) -> None:
        self.run(self.models.generations.drop_retired("bank", after=0))
        for number in [key for key, item in self.builds.items() if item.state == "retired"]:
            self._forget(number)

    @invariant()
    def a_query_sees_what_is_built_and_never_less_than_before(self) -> None:
        seen = self.run(self._query())
        serving = self._number("serving")
        if serving is None:
            assert seen is None
            assert self.served == 0
            return
        position = self.builds[serving].position
        assert seen == list(range(1, position + 1))
        assert position >= self.served
        self.served = position

    @invariant()
    def generations_are_the_same_and_hold_each_event_once(self) -> None:
        found = self.run(self.models.generations.list("bank"))
        assert {item.key.generation: item.state for item in found} == {
            number: build.state for number, build in self.builds.items()
        }
        for item in found:
            build = self.builds[item.key.generation]
            if build.state != "retired":
                assert item.position == build.position
                assert item.in_use == (build.owner is not None)
            assert self.run(self._rows(item.schema_name)) == list(range(1, build.position + 1))

    @invariant()
    def only_what_is_not_retired_has_a_checkpoint(self) -> None:
        rows = self.run(self.store.subscriptions.list("bank"))
        assert [(row.key.generation, row.building) for row in rows] == [
            (number, build.state == "building")
            for number, build in sorted(self.builds.items())
            if build.state != "retired"
        ]

    def _chosen(self, choice: int) -> Claim | None:
        return self.claims[choice % len(self.claims)] if self.claims else None

    def _last(self, claim: Claim, count: int) -> int:
        """Up to where a process handles events that has read the checkpoint just now."""
        build = self.builds.get(claim.key.generation)
        position = claim.position if build is None else build.position
        return min(position + count, self.head)

    def _number(self, state: str) -> int | None:
        found = [number for number, build in self.builds.items() if build.state == state]
        assert len(found) <= 1
        return found[0] if found else None

    def _moved(self, number: int) -> None:
        """Let a generation serve if it may, as whatever touches its checkpoint does."""
        build = self.builds[number]
        former = self._number("serving")
        ahead = 0 if former is None else self.builds[former].position
        if build.state == "building" and build.position >= max(build.registered, ahead):
            self._serve(number)

    def _serve(self, number: int) -> None:
        former = self._number("serving")
        if former is not None:
            self.builds[former].state = "retired"
            self.builds[former].owner = None
        self.builds[number].state = "serving"

    def _adopt_switch(self) -> None:
        """Learn whether one took over: it need not when the former commits at the same time."""
        number = self._number("building")
        if number is None:
            return
        [found] = [
            item
            for item in self.run(self.models.generations.list("bank"))
            if item.key.generation == number
        ]
        if found.state == "serving":
            former = self._number("serving")
            ahead = 0 if former is None else self.builds[former].position
            build = self.builds[number]
            assert build.position >= max(build.registered, ahead)
            self._serve(number)

    def _forget(self, number: int) -> None:
        del self.builds[number]
        # The number may be used again, and then its epochs begin anew.
        self.claims = [claim for claim in self.claims if claim.key.generation != number]

    async def _handle(self, claim: Claim, last: int, *, crash: bool = False) -> None:
        build = self.builds.get(claim.key.generation)
        first = (claim.position if build is None else build.position) + 1
        # The tables of a generation that is gone are gone as well: only the checkpoint is tried.
        path = self.models.schema_for(claim.key) if build else None
        async with self.models.transaction(
            claim, CheckpointMove(last), search_path=path
        ) as connection:
            if build:
                await connection.execute(
                    "insert into seen select * from generate_series($1::bigint, $2)", first, last
                )
            if crash:
                raise Crash

    async def _committed(self, claim: Claim, last: int) -> bool:
        try:
            await self._handle(claim, last)
        except Fenced:
            return False
        return True

    async def _query(self) -> Sequence[int] | None:
        try:
            async with self.models.serving(KEY) as connection:
                return await _positions(connection)
        except ProjectionBuilding:
            return None

    async def _rows(self, schema_name: str) -> Sequence[int]:
        async with self.models.read_connection(search_path=schema_name) as connection:
            return await _positions(connection)


async def _positions(connection: Connection) -> Sequence[int]:
    found: list[int] = await connection.fetchval(POSITIONS)
    return found


def _key(number: int) -> SubscriptionKey:
    return replace(KEY, generation=number)


def test_generations_in_postgres_do_what_the_model_does(server: str) -> None:
    check(GenerationsMachine, in_postgres(server), examples=12, steps=30)
