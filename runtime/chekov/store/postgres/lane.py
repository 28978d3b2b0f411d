"""One connection that carries appends, one statement at a time."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple

import asyncpg

from chekov.store.port import Appended, Expected, NewEvent, RecordedEvent
from chekov.store.postgres.access import GRACE_SECONDS, Access, Connection, connect
from chekov.store.postgres.batch import (
    Group,
    Pending,
    Place,
    answer,
    answer_many,
    many,
    rows,
)
from chekov.store.postgres.started import Started

_DOUBT_SECONDS: Final = 10.0
_MOST_VERSIONS: Final = 100_000
_CLOCK_SECONDS: Final = 10.0
_ANYWHERE: Final = (Expected.ANY, Expected.STREAM_EXISTS)


class Sent(NamedTuple):
    """What became of the appends of one statement."""

    recorded: Sequence[RecordedEvent]
    refused: Sequence[tuple[Pending, int]]
    """Each with its outcome."""


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
        """The database's clock, as it just told it; late news would turn it back."""
        known = self.now()
        if known is None or now > known:
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

    def head(self) -> int | None:
        """The last position, when it is known without looking."""
        return self._head if self._alone() else None

    def version(self, stream: str, expected: int) -> int:
        """The version that an append goes on from; 0 when it is not known or not as expected."""
        known = self._versions.get(stream, 0)
        return known if expected == known or expected in _ANYWHERE else 0

    def learn(self, recorded: Sequence[RecordedEvent]) -> None:
        """These were stored."""
        if time.monotonic() < self._not_before:
            return
        first = recorded[0].position
        if self._head is not None and first <= self._head:
            # Told late; what came after it is known already.
            return
        # What lies between was not ours: it may have erased a stream, which frees its versions.
        if first - 1 != self._head or len(self._versions) > _MOST_VERSIONS:
            self._versions.clear()
        self._head = recorded[-1].position
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
        self, access: Access, statements: Mapping[str, LiteralString], knowledge: Knowledge
    ) -> None:
        self._access = access
        self._statements = statements
        self._knowledge = knowledge
        self._connection: Connection | None = None
        self._next: Any = None
        self._next_many: Any = None
        self._one: Any = None
        self._many: Any = None
        self._since = 0.0

    async def connected(self) -> Connection:
        """The connection, made again when it was lost."""
        connection = self._connection
        if connection is None or connection.is_closed():
            self._knowledge.forget()
            connection = await connect(self._access, application="chekov committer")
            self._connection = connection
            try:
                self._next = await connection.prepare(self._statements["append_next"])
                self._next_many = await connection.prepare(self._statements["append_next_many"])
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
        longest = self._access.seconds + GRACE_SECONDS
        if self._since and time.monotonic() - self._since > longest:
            self.drop()

    async def append_next(
        self, stream: str, events: Sequence[NewEvent], expected: int
    ) -> Appended | None:
        """Store one event where it must go by what is known; nothing when that is not known.

        Only for when no other lane is under way.
        """
        knowledge = self._knowledge
        head = knowledge.head()
        version = knowledge.version(stream, expected)
        if head is None or not version or not self.is_connected():
            return None
        if len(events) != 1 or events[0].data[:1] != b"{":
            return None
        stamp = events[0].time or knowledge.now()
        if stamp is None:
            return None
        self._since = time.monotonic()
        try:
            insert = Started(
                self._next.fetch(head + 1, stream, version + 1, *_plain(events[0]), stamp)
            )
            # Postgres is at work meanwhile.
            appended = answer(stream, events, head, version, stamp)
            await insert
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "events_id":
                raise
            knowledge.doubt()
            return None
        finally:
            self._since = 0.0
        knowledge.learn(appended.recorded)
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
            await self.connected()
            if lone and (recorded := await self._send_next(groups)):
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

    async def _send_next(self, groups: Sequence[Group]) -> Sequence[RecordedEvent]:
        """Store appends where they must go by what is known; nothing when that is not known."""
        knowledge = self._knowledge
        head, stamp = knowledge.head(), knowledge.now()
        if head is None or stamp is None:
            return ()
        places: list[Place] = []
        for group in groups:
            version = knowledge.version(group[0].stream, group[0].expected)
            for pending in group:
                if not version or pending.once is not None:
                    return ()
                places.append(Place(pending, head, version))
                head += len(pending.events)
                version += len(pending.events)
        try:
            insert = Started(self._next_many.fetch(places[0].before, *rows(places), stamp))
            # Postgres is at work meanwhile.
            answers = [place.pending.stored(place.before, place.version, stamp) for place in places]
            await insert
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "events_id":
                raise
            knowledge.doubt()
            return ()
        recorded: list[RecordedEvent] = []
        for place, appended in zip(places, answers, strict=True):
            recorded += place.pending.answer(appended)
        knowledge.learn(recorded)
        return recorded

    async def _send_many(self, groups: Sequence[Group], *, together: bool) -> Sent:
        before, stamp, outcomes = await self._many.fetchrow(*many(groups, together=together))
        if together and min(outcomes) < 0:
            return Sent(
                (), [(group[0], n) for group, n in zip(groups, outcomes, strict=True) if n < 0]
            )
        self._knowledge.set_clock(stamp)
        recorded, refused = answer_many(groups, before, stamp, outcomes)
        if recorded:
            self._knowledge.learn(recorded)
        return Sent(recorded, refused)

    async def _send_one(self, pending: Pending) -> Sent:
        event = pending.events[0]
        id_, type_, data, *rest = _plain(event)
        content = None if data is not None else event.data
        position, version, stamp = await self._one.fetchrow(
            pending.stream,
            pending.expected,
            pending.once,
            id_,
            type_,
            data,
            content,
            *rest,
            event.time,
        )
        if position is None:
            return Sent((), [(pending, version)])
        if event.time is None:
            self._knowledge.set_clock(stamp)
        appended = pending.stored(position - 1, version - 1, stamp)
        self._knowledge.learn(appended.recorded)
        return Sent(pending.answer(appended), ())


def _plain(event: NewEvent) -> tuple[Any, ...]:
    """An event in the order of the columns, up to its time; its data only if that is JSON."""
    return (
        event.id,
        event.type,
        event.data.decode() if event.data[:1] == b"{" else None,
        None if event.metadata is None else event.metadata.decode(),
        event.correlation_id,
        event.causation_id,
    )
