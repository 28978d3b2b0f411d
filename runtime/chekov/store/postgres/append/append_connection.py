"""One connection that carries appends, one statement at a time."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import asyncpg

from chekov.errors import StoreError
from chekov.store.port import Appended, NewEvent, NoneSince, RecordedEvent
from chekov.store.postgres.append.batch import (
    Group,
    Pending,
    appended_at,
    binary_content,
    columns,
    placed,
    placed_columns,
    scalar_columns,
    settle,
)
from chekov.store.postgres.append.conditions import checks, failures, tag_keys
from chekov.store.postgres.append.eager import EagerCoroutine
from chekov.store.postgres.append.following import FollowingStatements
from chekov.store.postgres.append.head_cache import HeadCache
from chekov.store.postgres.connection_options import GRACE_SECONDS, DriverConnection
from chekov.store.postgres.schema import Schema


class Sent(NamedTuple):
    """The outcome of one statement."""

    recorded: Sequence[RecordedEvent]
    refused: Sequence[tuple[Pending, StoreError]]
    others: Sequence[RecordedEvent] = ()
    """What other processes stored before."""


class AppendConnection:
    """A connection and its prepared statements.

    A cancelled statement closes it: the server may be silent, and asyncpg would wait for its answer
    before anyone else could use the connection.

    Args:
        schema: of the store.
        head_cache: shared by the append connections of a process.
        followed: returns the position after which the answer of an append is to bring along what
            others stored; `None` for nothing.
        alone: returns whether no other process was connected to this store lately. Beside others,
            what is inserted where the head cache says takes the append lock, if it is free: else
            those who wait for it would find their positions taken over and over.
    """

    def __init__(
        self,
        schema: Schema,
        head_cache: HeadCache,
        followed: Callable[[], int | None],
        alone: Callable[[], bool],
    ) -> None:
        self._pool = schema.pool
        self._generation = 0
        self._schema = schema
        self._statements = schema.statements("events")
        self._head_cache = head_cache
        self._alone = alone
        self._following = FollowingStatements(followed, self._prepared)
        self._connection: DriverConnection | None = None
        self._insert: Any = None
        self._insert_many: Any = None
        self._insert_tagged: Any = None
        self._one: Any = None
        self._many: Any = None
        self._checked: Any = None
        self._busy_since = 0.0

    def is_connected(self) -> bool:
        """Whether there is a connection to where the others lead, as far as is known."""
        return (
            self._connection is not None
            and self._generation == self._pool.servers.generation
            and not self._connection.is_closed()
        )

    async def connect(self) -> DriverConnection:
        """Return the connection, made again if it was lost."""
        if self._connection is not None and self.is_connected():
            return self._connection
        self.terminate()
        self._head_cache.clear()
        self._busy_since = time.monotonic()
        try:
            connection = await self._pool.connect("chekov committer")
            self._connection = connection
            self._generation = self._pool.servers.generation
            self._schema.recognize(await connection.fetchval(self._statements["store_id"]))
            self._insert = await connection.prepare(self._statements["append_next"])
            self._insert_many = await connection.prepare(self._statements["append_next_many"])
            self._one = await connection.prepare(self._statements["append_one"])
            self._many = await connection.prepare(self._statements["append_many"])
            self._insert_tagged = self._checked = None
            self._following.clear()
        except BaseException:
            self.terminate()
            raise
        finally:
            self._busy_since = 0.0
        return connection

    @property
    def busy_seconds(self) -> float:
        """For how long an answer has been waited for."""
        return time.monotonic() - self._busy_since if self._busy_since else 0.0

    async def try_statement(self) -> None:
        """Return when the server answers.

        Raises:
            TimeoutError: it does not, and the caller's time is over.
            StoreError: the address leads to another store.
        """
        connection = await self.connect()
        try:
            await connection.execute("select")
        except BaseException:
            self.terminate()
            raise

    def terminate(self) -> None:
        """Close the connection without a word to the server; it is made again when needed."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def terminate_overdue(self) -> None:
        """Close the connection if its answer takes too long, so that its user finds it lost.

        An idle one is closed once the others lead elsewhere. To be called regularly: a timer per
        statement would cost every statement.
        """
        if not self._busy_since:
            if not self.is_connected():
                self.terminate()
            return
        # Postgres cancels the statement before.
        longest = self._pool.options.seconds + GRACE_SECONDS
        if time.monotonic() - self._busy_since > longest:
            self.terminate()

    async def insert_next(
        self,
        stream: str,
        events: Sequence[NewEvent],
        expected: int,
        condition: NoneSince | None = None,
    ) -> Appended | None:
        """Insert one event at the position and version that the head cache knows.

        Only while no other append of this process is under way. A condition that names the position
        before this one holds: where the event can be stored, nothing else was.

        Returns:
            `None`, with nothing stored, when the cache does not know them, or was wrong.
        """
        head_cache = self._head_cache
        head, stamp = head_cache.head(), events[0].time or head_cache.now()
        version = head_cache.version(stream, expected)
        if head is None or version is None or stamp is None or not self.is_connected():
            return None
        if len(events) != 1 or binary_content(events[0]) is not None:
            return None
        if condition is not None and not head_cache.is_at_head(condition):
            return None
        tags = events[0].tags
        self._busy_since = time.monotonic()
        try:
            if tags and self._insert_tagged is None:
                self._insert_tagged = await self._prepared("append_next_tagged")
            insert = EagerCoroutine(
                (self._insert_tagged if tags else self._insert).fetch(
                    head,
                    head_cache.head_id,
                    self._alone(),
                    stream,
                    version + 1,
                    *scalar_columns(events[0]),
                    stamp,
                    *((tags, tag_keys(events[0])) if tags else ()),
                )
            )
            # Postgres is at work meanwhile.
            appended = appended_at(stream, events, head, version, stamp)
            await insert
        except asyncpg.UniqueViolationError as error:
            self._invalidate(error, assumed_new=version == 0)
            return None
        except asyncpg.NotNullViolationError:
            head_cache.invalidate()
            return None
        except asyncio.CancelledError:
            self.terminate()
            raise
        finally:
            self._busy_since = 0.0
        self._learn(appended.recorded)
        return appended

    async def send(
        self, groups: Sequence[Group], *, together: bool = False, lone: bool = False
    ) -> Sent:
        """Send appends in one statement, and answer those that it stored.

        Args:
            groups: each to a stream of its own.
            together: store all of them or none.
            lone: no other append of this process is under way.
        """
        self._busy_since = time.monotonic()
        try:
            if lone and (recorded := await self._insert_many_next(groups)):
                return Sent(recorded, ())
            first = groups[0][0]
            if not all(pending.is_plain for group in groups for pending in group):
                return await self._append_checked(groups, together=together)
            if len(groups) > 1 or len(groups[0]) > 1 or len(first.events) > 1:
                return await self._append_many(groups, together=together)
            return await self._append_one(first)
        except asyncio.CancelledError:
            self.terminate()
            raise
        finally:
            self._busy_since = 0.0

    async def find(self, pending: Pending) -> Sequence[RecordedEvent]:
        """Answer an append of unknown outcome if it was stored; otherwise return nothing."""
        # All events without a time of their own got that of the database's clock.
        timeless = (n for n, event in enumerate(pending.events) if event.time is None)
        at = next(timeless, 0)
        connection = await self.connect()
        self._busy_since = time.monotonic()
        try:
            row = await connection.fetchrow(self._statements["stored"], pending.events[at].id)
        except asyncio.CancelledError:
            self.terminate()
            raise
        finally:
            self._busy_since = 0.0
        if row is None or row["stream"] != pending.stream:
            return ()
        before = at + 1
        appended = pending.appended_at(
            row["position"] - before, row["version"] - before, row["time"]
        )
        return pending.succeed(appended)

    async def _insert_many_next(self, groups: Sequence[Group]) -> Sequence[RecordedEvent]:
        """Insert events at the positions and versions that the head cache knows.

        Returns:
            The events; none when the cache does not know where they go, or was wrong.
        """
        head_cache = self._head_cache
        places, stamp = placed(groups, head_cache), head_cache.now()
        if not places or stamp is None:
            return ()
        try:
            insert = EagerCoroutine(
                self._insert_many.fetch(
                    places[0].before,
                    head_cache.head_id,
                    self._alone(),
                    stamp,
                    *placed_columns(places),
                )
            )
            # Postgres is at work meanwhile.
            answers = [
                pending.appended_at(before, version, stamp) for pending, before, version in places
            ]
            await insert
        except asyncpg.UniqueViolationError as error:
            self._invalidate(error, assumed_new=any(place.version == 0 for place in places))
            return ()
        except asyncpg.NotNullViolationError:
            head_cache.invalidate()
            return ()
        recorded: list[RecordedEvent] = []
        for place, appended in zip(places, answers, strict=True):
            recorded += place.pending.succeed(appended)
        self._learn(recorded)
        return recorded

    def _learn(self, recorded: Sequence[RecordedEvent]) -> None:
        # What a server answered that the others have left says nothing about the new one.
        if self._generation != self._pool.servers.generation:
            return
        # While others write, to take turns is fair, and to insert without looking mostly in vain.
        if not self._head_cache.learn(recorded) and not self._alone():
            self._head_cache.invalidate()

    def _invalidate(self, error: asyncpg.UniqueViolationError, *, assumed_new: bool) -> None:
        """Invalidate the head cache after a unique violation.

        If only a stream assumed to be new exists, the rest of the cache stays valid.

        Args:
            error: names the constraint.
            assumed_new: whether a stream was assumed to be new.

        Raises:
            UniqueViolationError: an event's id is taken, which is the caller's mistake.
        """
        if error.constraint_name == "events_id":
            raise error
        if error.constraint_name == "events_position" or not assumed_new:
            self._head_cache.invalidate()
        else:
            self._head_cache.stop_assuming_new_streams()

    async def _append_many(self, groups: Sequence[Group], *, together: bool) -> Sent:
        values = columns(groups, together=together)
        row, others = await self._following.fetch(self._many, "append_many", values)
        sent = self._settled(groups, (*row, None), together=together)
        return sent._replace(others=others)

    async def _append_checked(self, groups: Sequence[Group], *, together: bool) -> Sent:
        if self._checked is None:
            self._checked = await self._prepared("append_checked")
        row = await self._checked.fetchrow(*columns(groups, together=together), *checks(groups))
        return self._settled(groups, row, together=together)

    async def _prepared(self, statement: str) -> Any:
        """A statement that not every process needs."""
        connection: Any = self._connection
        return await connection.prepare(self._statements[statement])

    def _settled(self, groups: Sequence[Group], row: Any, *, together: bool) -> Sent:
        before, stamp, outcomes, failed = row
        met = failures(failed)
        if together and min(outcomes) < 0:
            return Sent(
                (),
                [
                    (group[0], group[0].refusal(outcome, met.get(n)))
                    for n, (group, outcome) in enumerate(zip(groups, outcomes, strict=True), 1)
                    if outcome < 0
                ],
            )
        self._head_cache.set_clock(stamp)
        recorded, refused = settle(groups, before, stamp, outcomes, met)
        if recorded:
            self._learn(recorded)
        return Sent(recorded, refused)

    async def _append_one(self, pending: Pending) -> Sent:
        event = pending.events[0]
        id_, type_, data, *rest = scalar_columns(event)
        values = (
            pending.stream,
            pending.expected,
            pending.command_id,
            id_,
            type_,
            data,
            binary_content(event),
            *rest,
            event.time,
        )
        row, others = await self._following.fetch(self._one, "append_one", values)
        position, version, stamp = row
        if position is None:
            return Sent((), [(pending, pending.refusal(version))], others)
        if event.time is None:
            self._head_cache.set_clock(stamp)
        appended = pending.appended_at(position - 1, version - 1, stamp)
        self._learn(appended.recorded)
        return Sent(pending.succeed(appended), (), others)
