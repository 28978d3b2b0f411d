"""One connection that carries appends, one statement at a time."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

import asyncpg

from chekov.store.port import RecordedEvent
from chekov.store.postgres.batch import Group, Pending, answer_many, many
from chekov.store.postgres.connections import Connection, connect

_STATEMENT_SECONDS: Final = 30.0
_DOUBT_SECONDS: Final = 10.0
_MOST_VERSIONS: Final = 100_000
_CLOCK_SECONDS: Final = 10.0


class Sent(NamedTuple):
    """What became of the appends of one statement."""

    recorded: Sequence[RecordedEvent]
    refused: Sequence[tuple[Pending, int]]
    """Each with the version that its stream had."""


class Knowledge:
    """What this process knows of the end of the store because it wrote it itself.

    While nobody else writes, the next position and version follow from the last ones, and an
    append can do without looking: it is a plain insert. If the knowledge is stale, a unique
    constraint says so, since no event ever takes a place that is not the next one or a taken one.

    Args:
        alone: whether no other process was seen at this store lately.
    """

    def __init__(self, alone: Callable[[], bool]) -> None:
        self._alone = alone
        self._head: int | None = None
        self._versions: dict[str, int] = {}
        self._not_before = 0.0
        self._clock: tuple[datetime, float] | None = None

    def set_clock(self, now: datetime) -> None:
        """The database's clock, as it just told it."""
        self._clock = now, time.monotonic()

    def now(self) -> datetime | None:
        """The database's clock, carried on by our own for a few seconds after it was told.

        To have it answered by each insert would cost more than all that is done around it.
        """
        if self._clock is None:
            return None
        told, since = self._clock
        passed = time.monotonic() - since
        return told + timedelta(seconds=passed) if passed < _CLOCK_SECONDS else None

    def next_position(self, pending: Pending) -> int | None:
        """Where the append's event goes, when that is known without looking."""
        if (
            self._head is None
            or pending.expected <= 0
            or self._versions.get(pending.stream) != pending.expected
            or not self._alone()
        ):
            return None
        return self._head + 1

    def learn(self, recorded: Sequence[RecordedEvent]) -> None:
        """These were stored."""
        last = recorded[-1].position
        if time.monotonic() < self._not_before:
            return
        if self._head is None or last > self._head:
            self._head = last
        if len(self._versions) > _MOST_VERSIONS:
            self._versions.clear()
        for event in recorded:
            self._versions[event.stream] = event.version

    def doubt(self) -> None:
        """Somebody else writes: know nothing for a while."""
        self.forget()
        self._not_before = time.monotonic() + _DOUBT_SECONDS

    def forget(self) -> None:
        """After a lost connection the database may be another one, with less in it."""
        self._head = None
        self._versions.clear()
        self._clock = None


class Lane:
    """A connection and its statements."""

    def __init__(
        self, dsn: str, statements: Mapping[str, LiteralString], knowledge: Knowledge
    ) -> None:
        self._dsn = dsn
        self._statements = statements
        self._knowledge = knowledge
        self._connection: Connection | None = None
        self._next: Any = None
        self._one: Any = None
        self._many: Any = None

    async def connected(self) -> Connection:
        """The connection, made again when it was lost."""
        connection = self._connection
        if connection is None or connection.is_closed():
            self._knowledge.forget()
            connection = await connect(self._dsn, application="chekov committer")
            self._next = await connection.prepare(self._statements["append_next"])
            self._one = await connection.prepare(self._statements["append_one"])
            self._many = await connection.prepare(self._statements["append_many"])
            self._connection = connection
        return connection

    def drop(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def send(self, groups: Sequence[Group], *, only: bool) -> Sent:
        """Carry appends to Postgres and answer those that were stored.

        Args:
            groups: the appends, each group to a stream of its own.
            only: whether no other lane is under way.
        """
        await self.connected()
        first = groups[0][0]
        if len(groups) == 1 and len(groups[0]) == 1 and len(first.events) == 1:
            return (await self._send_next(first) if only else None) or await self._send_one(first)
        before, stamp, found = await self._many.fetchrow(*many(groups), timeout=_STATEMENT_SECONDS)
        recorded, refused = answer_many(groups, before, stamp, found)
        if recorded:
            self._knowledge.learn(recorded)
        return Sent(recorded, refused)

    async def stored(self, pending: Pending) -> Sequence[RecordedEvent]:
        """Answer an append that was sent before, if it was stored; else nothing."""
        connection = await self.connected()
        row = await connection.fetchrow(self._statements["stored"], pending.events[0].id)
        if row is None or row["stream"] != pending.stream:
            return ()
        return pending.answer(row["position"] - 1, row["version"] - 1, row["time"])

    async def _send_next(self, pending: Pending) -> Sent | None:
        position = self._knowledge.next_position(pending)
        stamp = pending.events[0].time or self._knowledge.now()
        if position is None or stamp is None:
            return None
        version = pending.expected + 1
        try:
            await self._next.fetch(
                position,
                pending.stream,
                version,
                *_values(pending)[:-1],
                stamp,
                timeout=_STATEMENT_SECONDS,
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "events_id":
                raise
            self._knowledge.doubt()
            return None
        return self._stored_one(pending, position, version, stamp)

    async def _send_one(self, pending: Pending) -> Sent:
        position, version, stamp = await self._one.fetchrow(
            pending.stream, pending.expected, *_values(pending), timeout=_STATEMENT_SECONDS
        )
        if position is None:
            return Sent((), [(pending, version)])
        if pending.events[0].time is None:
            self._knowledge.set_clock(stamp)
        return self._stored_one(pending, position, version, stamp)

    def _stored_one(self, pending: Pending, position: int, version: int, stamp: datetime) -> Sent:
        recorded = pending.answer(position - 1, version - 1, stamp)
        self._knowledge.learn(recorded)
        return Sent(recorded, ())


def _values(pending: Pending) -> tuple[Any, ...]:
    """The event of an append that has one, in the order of the statements' parameters."""
    event = pending.events[0]
    return (
        event.id,
        event.type,
        event.data.decode(),
        None if event.metadata is None else event.metadata.decode(),
        event.correlation_id,
        event.causation_id,
        event.time,
    )
