"""One connection that carries appends, one statement at a time."""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from chekov.store.port import Appended, NewEvent, RecordedEvent
from chekov.store.postgres.append.batch import (
    Group,
    Pending,
    Place,
    answer,
    answer_many,
    content,
    many,
    plain,
    row_bytes,
    rows,
)
from chekov.store.postgres.append.eager import EagerCoroutine
from chekov.store.postgres.append.head_cache import HeadCache
from chekov.store.postgres.connection_options import GRACE_SECONDS, Connection, connect
from chekov.store.postgres.row_decoding import EVENT_COLUMNS
from chekov.store.postgres.schema import Schema

_COPY_BYTES: Final = 60 * 1024
"""asyncpg sends as much without waiting, and Postgres stores none of it before it has all."""


class Sent(NamedTuple):
    """What became of the appends of one statement."""

    recorded: Sequence[RecordedEvent]
    refused: Sequence[tuple[Pending, int]]
    """Each with its outcome."""


class AppendConnection:
    """A connection and its statements.

    Args:
        schema: of the store.
        head_cache: shared by the append connections of a process.
    """

    def __init__(
        self,
        schema: Schema,
        head_cache: HeadCache,
    ) -> None:
        self._options = schema.pool.options
        self._schema = schema.name
        self._statements = schema.statements("events")
        self._head_cache = head_cache
        self._connection: Connection | None = None
        self._next: Any = None
        self._one: Any = None
        self._many: Any = None
        self._since = 0.0

    async def connected(self) -> Connection:
        """The connection, made again when it was lost."""
        connection = self._connection
        if connection is None or connection.is_closed():
            self._head_cache.forget()
            connection = await connect(self._options, application="chekov committer")
            self._connection = connection
            try:
                self._next = await connection.prepare(self._statements["append_next"])
                self._one = await connection.prepare(self._statements["append_one"])
                self._many = await connection.prepare(self._statements["append_many"])
            except BaseException:
                self.drop()
                raise
        return connection

    async def reconnect(self) -> None:
        """Make the connection, as `send` would."""
        self._since = time.monotonic()
        try:
            await self.connected()
        finally:
            self._since = 0.0

    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None and not self._connection.is_closed()

    def drop(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def drop_overdue(self) -> None:
        """Forget the connection when its answer takes too long; whoever waits finds it lost.

        To be called now and then: a timer for each statement would cost each of them.
        """
        # Postgres itself gives up before.
        longest = self._options.seconds + GRACE_SECONDS
        if self._since and time.monotonic() - self._since > longest:
            self.drop()

    async def append_next(
        self, stream: str, events: Sequence[NewEvent], expected: int
    ) -> Appended | None:
        """Store one event where it must go by what is known; nothing when that is not known.

        Only for when no other lane is under way.
        """
        head_cache = self._head_cache
        head = head_cache.head()
        version = head_cache.version(stream, expected)
        if head is None or version is None or not self.is_connected():
            return None
        if len(events) != 1 or content(events[0]) is not None:
            return None
        stamp = events[0].time or head_cache.now()
        if stamp is None:
            return None
        self._since = time.monotonic()
        try:
            insert = EagerCoroutine(
                self._next.fetch(head + 1, stream, version + 1, *plain(events[0]), stamp)
            )
            # Postgres is at work meanwhile.
            appended = answer(stream, events, head, version, stamp)
            await insert
        except asyncpg.UniqueViolationError as error:
            self._invalidate(error, begins=version == 0)
            return None
        finally:
            self._since = 0.0
        head_cache.learn(appended.recorded)
        return appended

    async def send(
        self, groups: Sequence[Group], *, together: bool = False, lone: bool = False
    ) -> Sent:
        """Carry appends to Postgres, each group to a stream of its own; answer what was stored.

        With `together`, all of them are stored or none; `lone` says that no other lane is under
        way.
        """
        self._since = time.monotonic()
        try:
            connection = await self.connected()
            if lone and (recorded := await self._send_next(connection, groups)):
                return Sent(recorded, ())
            first = groups[0][0]
            if len(groups) > 1 or len(groups[0]) > 1 or len(first.events) > 1:
                return await self._send_many(groups, together=together)
            return await self._send_one(first)
        finally:
            self._since = 0.0

    async def stored(self, pending: Pending) -> Sequence[RecordedEvent]:
        """Answer an append that was sent before, if it was stored; else nothing."""
        # One that took the store's clock tells the time of all that did.
        timeless = (n for n, event in enumerate(pending.events) if event.time is None)
        at = next(timeless, 0)
        self._since = time.monotonic()
        try:
            connection = await self.connected()
            row = await connection.fetchrow(self._statements["stored"], pending.events[at].id)
        finally:
            self._since = 0.0
        if row is None or row["stream"] != pending.stream:
            return ()
        before = at + 1
        appended = pending.stored(row["position"] - before, row["version"] - before, row["time"])
        return pending.answer(appended)

    async def _send_next(
        self, connection: Connection, groups: Sequence[Group]
    ) -> Sequence[RecordedEvent]:
        """Store appends where they must go by what is known; nothing when that is not known.

        COPY takes a sixth less time than inserting arrays, and its parameters cost us less too. But
        of a long one Postgres stores the beginning before it has the end, and no time-out of its
        own ends that wait if we are gone: so it is only for what goes at once.
        """
        head_cache = self._head_cache
        head, stamp = head_cache.head(), head_cache.now()
        if head is None or stamp is None:
            return ()
        places: list[Place] = []
        room = _COPY_BYTES
        for group in groups:
            version = head_cache.version(group[0].stream, group[0].expected)
            for pending in group:
                room -= row_bytes(pending)
                if version is None or pending.command_id is not None or room < 0:
                    return ()
                places.append(Place(pending, head, version))
                head += len(pending.events)
                version += len(pending.events)
        try:
            insert = EagerCoroutine(
                connection.copy_records_to_table(
                    "events",
                    schema_name=self._schema,
                    columns=EVENT_COLUMNS,
                    records=rows(places, stamp),
                )
            )
            # Postgres is at work meanwhile.
            answers = [place.pending.stored(place.before, place.version, stamp) for place in places]
            await insert
        except asyncpg.UniqueViolationError as error:
            self._invalidate(error, begins=any(place.version == 0 for place in places))
            return ()
        recorded: list[RecordedEvent] = []
        for place, appended in zip(places, answers, strict=True):
            recorded += place.pending.answer(appended)
        head_cache.learn(recorded)
        return recorded

    def _invalidate(self, error: asyncpg.UniqueViolationError, *, begins: bool) -> None:
        """Doubt what was known, since a place is taken that it gave away.

        Args:
            error: names the constraint.
            begins: whether a stream was taken for new. That it was there is its caller's mistake,
                and says nothing against the rest.

        Raises:
            UniqueViolationError: an event's id is taken, which is its caller's mistake too.
        """
        if error.constraint_name == "events_id":
            raise error
        if error.constraint_name == "events_position" or not begins:
            self._head_cache.invalidate()
        else:
            self._head_cache.stop_assuming_new_streams()

    async def _send_many(self, groups: Sequence[Group], *, together: bool) -> Sent:
        before, stamp, outcomes = await self._many.fetchrow(*many(groups, together=together))
        if together and min(outcomes) < 0:
            return Sent(
                (), [(group[0], n) for group, n in zip(groups, outcomes, strict=True) if n < 0]
            )
        self._head_cache.set_clock(stamp)
        recorded, refused = answer_many(groups, before, stamp, outcomes)
        if recorded:
            self._head_cache.learn(recorded)
        return Sent(recorded, refused)

    async def _send_one(self, pending: Pending) -> Sent:
        event = pending.events[0]
        id_, type_, data, *rest = plain(event)
        position, version, stamp = await self._one.fetchrow(
            pending.stream,
            pending.expected,
            pending.command_id,
            id_,
            type_,
            data,
            content(event),
            *rest,
            event.time,
        )
        if position is None:
            return Sent((), [(pending, version)])
        if event.time is None:
            self._head_cache.set_clock(stamp)
        appended = pending.stored(position - 1, version - 1, stamp)
        self._head_cache.learn(appended.recorded)
        return Sent(pending.answer(appended), ())
