"""Group commit: everything that waits goes to Postgres as one statement, in one round trip.

Nothing waits for company: while a statement is under way the next one fills. One committer has
one statement under way, so the answers come in the order of the positions.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, LiteralString

import asyncpg

from chekov.errors import DuplicateEvent, InvalidAppend, StoreClosed, StoreError
from chekov.store.checks import check_append
from chekov.store.port import Appended, ExpectedVersion, NewEvent, RecordedEvent
from chekov.store.postgres.batch import Group, Pending, answer_many, many, take
from chekov.store.postgres.connections import Backoff, Connection, Database, connect
from chekov.store.postgres.errors import Fault, fault_of

_STATEMENT_SECONDS: Final = 30.0
_CAUGHT: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    StoreError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
)

Committed = Callable[[Sequence[RecordedEvent]], None]
OnBatch = Callable[[int, int, float], None]


class Committer:
    """Takes appends of one process and answers each of them.

    Args:
        database: where the store is, and how long to wait for it.
        statements: those of `sql/events.sql`.
        committed: told what was stored, in order, before the callers run again.
        on_batch: told appends, events and seconds of each statement.
    """

    def __init__(
        self,
        database: Database,
        statements: Mapping[str, LiteralString],
        *,
        committed: Committed,
        on_batch: OnBatch | None,
    ) -> None:
        self._dsn = database.dsn
        self._translator = database.translator
        self._patience = database.patience
        self._statements = statements
        self._committed = committed
        self._on_batch = on_batch
        self._queue: deque[Pending] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._connection: Connection | None = None
        self._one: Any = None
        self._many: Any = None

    async def append(
        self, stream: str, events: Sequence[NewEvent], expected: ExpectedVersion
    ) -> Appended:
        """Store all of `events`, or none."""
        size = check_append(stream, events, expected)
        if self._closing:
            raise StoreClosed("the store was closed")
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._queue.append(Pending(stream, events, expected, size, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Commit what comes, until `close` and the queue is empty."""
        try:
            while not self._closing or self._queue:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    groups = take(self._queue)
                    if groups:
                        await self._commit(groups)
        finally:
            self._closing = True
            self._fail(self._queue, StoreClosed("the store was closed"))
            self._drop()

    def close(self) -> None:
        """Take no more appends; `run` ends when the last one is answered."""
        self._closing = True
        self._wake.set()

    async def _commit(self, groups: list[Group]) -> None:
        deadline = 0.0
        backoff = Backoff()
        while True:
            try:
                if deadline:
                    groups = await self._not_stored(groups)
                if groups:
                    await self._send(groups)
            except _CAUGHT as error:
                fault = fault_of(error)
                if fault is Fault.GUILTY:
                    await self._split(groups, error)
                    return
                deadline = deadline or time.monotonic() + self._patience
                if fault not in (Fault.LOST, Fault.BUSY) or time.monotonic() > deadline:
                    self._give_up(groups, error)
                    return
                if fault is Fault.LOST:
                    self._drop()
            else:
                return
            await backoff.wait()

    async def _send(self, groups: list[Group]) -> None:
        await self._connected()
        started = time.perf_counter()
        first = groups[0][0]
        try:
            if len(groups) == 1 and len(groups[0]) == 1 and len(first.events) == 1:
                events = await self._send_one(first)
            else:
                events = await self._send_many(groups)
        except BaseException as error:
            if not isinstance(error, Exception) or fault_of(error) is Fault.LOST:
                for group in groups:
                    for pending in group:
                        pending.uncertain = True
            raise
        if events and self._on_batch is not None:
            appends = sum(map(len, groups))
            self._on_batch(appends, events, time.perf_counter() - started)

    async def _send_one(self, pending: Pending) -> int:
        event = pending.events[0]
        position, version, stamp = await self._one.fetchrow(
            pending.stream,
            pending.expected,
            event.id,
            event.type,
            event.data.decode(),
            None if event.metadata is None else event.metadata.decode(),
            event.correlation_id,
            event.causation_id,
            event.time,
            timeout=_STATEMENT_SECONDS,
        )
        if position is None:
            await self._refuse([(pending, version)])
            return 0
        self._committed(pending.answer(position - 1, version - 1, stamp))
        return 1

    async def _send_many(self, groups: list[Group]) -> int:
        before, stamp, found = await self._many.fetchrow(*many(groups), timeout=_STATEMENT_SECONDS)
        recorded, refused = answer_many(groups, before, stamp, found)
        if recorded:
            self._committed(recorded)
        if refused:
            await self._refuse(refused)
        return len(recorded)

    async def _refuse(self, refused: Iterable[tuple[Pending, int]]) -> None:
        """Answer conflicts; after a lost connection the other writer may be our own statement."""
        for pending, actual in refused:
            if not (pending.uncertain and await self._is_stored(pending)):
                pending.refuse(actual)

    async def _split(self, groups: list[Group], error: Exception) -> None:
        """One of the appends is guilty: find it, and store the others."""
        if len(groups) > 1:
            half = len(groups) // 2
            await self._commit(groups[:half])
            await self._commit(groups[half:])
        elif len(groups[0]) > 1:
            for pending in groups[0]:
                await self._commit([[pending]])
        else:
            await self._blame(groups[0][0], error)

    async def _blame(self, pending: Pending, error: Exception) -> None:
        duplicate = getattr(error, "constraint_name", None) == "events_id"
        if not duplicate:
            reason = str(self._translator.store_error(error))
            pending.fail(InvalidAppend(f"append to {pending.stream!r}: {reason}"))
        elif not (pending.uncertain and await self._is_stored(pending)):
            found = str(getattr(error, "detail", "")).partition("(id)=(")[2].partition(")")[0]
            pending.fail(DuplicateEvent(found or None))

    async def _not_stored(self, groups: list[Group]) -> list[Group]:
        """Answer what turns out to be stored; the rest is to be sent again."""
        remaining: list[Group] = []
        for group in groups:
            rest = [
                pending
                for pending in group
                if not pending.future.done()
                and not (pending.uncertain and await self._is_stored(pending))
            ]
            if rest:
                remaining.append(rest)
        return remaining

    async def _is_stored(self, pending: Pending) -> bool:
        """Answer an uncertain append if it is stored."""
        connection = await self._connected()
        row = await connection.fetchrow(self._statements["stored"], [pending.events[0].id])
        if row is None or row["stream"] != pending.stream:
            return False
        self._committed(pending.answer(row["position"] - 1, row["version"] - 1, row["time"]))
        return True

    def _give_up(self, groups: list[Group], error: Exception) -> None:
        """The database stays away or refuses: whoever waits is told, also behind this batch."""
        for group in groups:
            for pending in group:
                stored = None if pending.uncertain else False
                pending.fail(self._translator.store_error(error, stored=stored))
        waiting = list(self._queue)
        self._queue.clear()
        self._fail(waiting, self._translator.store_error(error))

    def _fail(self, pendings: Iterable[Pending], error: Exception) -> None:
        for pending in pendings:
            pending.fail(error)

    async def _connected(self) -> Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = await connect(self._dsn, application="chekov committer")
            self._one = await connection.prepare(self._statements["append_one"])
            self._many = await connection.prepare(self._statements["append_many"])
            self._connection = connection
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
