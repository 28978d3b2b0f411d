"""Group commit: everything that waits goes to Postgres as one statement, in one round trip.

Nothing waits for company: while a statement is under way the next one fills. When much waits, it
is shared between two connections, so that Postgres works on one half while this process answers
and prepares the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

import asyncpg

from chekov.errors import DuplicateEvent, InvalidAppend, StoreClosed, StoreError
from chekov.store.checks import check_append, check_together
from chekov.store.port import Appended, ExpectedVersion, NewEvent, RecordedEvent, StreamAppend
from chekov.store.postgres.batch import Group, Pending, take
from chekov.store.postgres.connections import Backoff, Database
from chekov.store.postgres.errors import DATABASE_ERRORS, Fault, fault_of, leaves_doubt, repeated_id
from chekov.store.postgres.lane import Knowledge, Lane

_LANES: Final = 2
_SHARE_FROM: Final = 64
_WATCH_SECONDS: Final = 1.0
_CAUGHT: Final = (*DATABASE_ERRORS, StoreError, ValueError, TypeError, AttributeError)

Committed = Callable[[Sequence[RecordedEvent]], None]
OnBatch = Callable[[int, int, float], None]


class _Resting(NamedTuple):
    """A lane with nothing to do, and how to wake its task."""

    lane: Lane
    woken: "asyncio.Future[None]"


class Committer:
    """Takes appends of one process and answers each of them.

    Args:
        database: where the store is, and how long to wait for it.
        statements: those of `sql/events.sql`.
        committed: told what was stored, at the latest when the loop comes round again.
        alone: whether no other process was seen at this store lately.
        on_batch: told appends, events and seconds of each statement.
    """

    def __init__(
        self,
        database: Database,
        statements: Mapping[str, LiteralString],
        *,
        committed: Committed,
        alone: Callable[[], bool],
        on_batch: OnBatch | None,
    ) -> None:
        self._translator = database.translator
        self._patience = database.patience
        self._committed = committed
        self._on_batch = on_batch
        knowledge = Knowledge(alone)
        self._lanes = [Lane(database.access, statements, knowledge) for _ in range(_LANES)]
        self._joint = Lane(database.access, statements, knowledge)
        self._joint_turn = asyncio.Lock()
        self._queue: deque[Pending] = deque()
        self._resting: deque[_Resting] = deque()
        self._busy: set[str] = set()
        self._only = False
        self._closing = False

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        once: UUID | None = None,
        *,
        own: bool = False,
    ) -> Appended:
        """Store all of `events`, or none; `own` ones have a type of the store's own."""
        size = check_append(stream, events, expected, own=own)
        if self._closing:
            raise StoreClosed("the store was closed")
        if len(self._resting) == _LANES and not self._queue:
            return await self._append_alone(stream, events, expected, size, once)
        pending = Pending(stream, events, expected, size, once)
        self._queue.append(pending)
        if len(self._queue) >= _SHARE_FROM and not self._only:
            self._wake_one()
        return await pending.future

    async def append_together(self, appends: Sequence[StreamAppend]) -> Sequence[Appended]:
        """Store all of `appends`, or none: over a connection of their own, one after the other."""
        sizes = check_together(appends)
        if self._closing:
            raise StoreClosed("the store was closed")
        pendings = [
            Pending(append.stream, append.events, append.expected, size)
            for append, size in zip(appends, sizes, strict=True)
        ]
        async with self._joint_turn:
            await self._commit(self._joint, [[pending] for pending in pendings], together=True)
        answers = [pending.future for pending in pendings if pending.future.done()]
        errors = [error for answer in answers if (error := answer.exception()) is not None]
        if errors:
            raise errors[0]
        return [answer.result() for answer in answers]

    async def run(self) -> None:
        """Commit what comes, until `close` and the queue is empty."""
        try:
            async with asyncio.TaskGroup() as watch:
                watching = watch.create_task(self._watch())
                async with asyncio.TaskGroup() as group:
                    for lane in self._lanes:
                        group.create_task(self._run(lane))
                watching.cancel()
        finally:
            self._closing = True
            self._fail(self._queue, StoreClosed("the store was closed"))
            for lane in (*self._lanes, self._joint):
                lane.drop()

    def close(self) -> None:
        """Take no more appends; `run` ends when the last one is answered."""
        self._closing = True
        self._wake_all()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for lane in (*self._lanes, self._joint):
                lane.drop_overdue()

    async def _run(self, lane: Lane) -> None:
        while True:
            waiting = len(self._queue)
            shared = waiting >= _SHARE_FROM and len(self._busy) < waiting
            groups = take(self._queue, self._busy, waiting // 2 if shared else waiting)
            if groups:
                await self._carry(lane, groups)
                # Callers that were just answered may have more: let it come along.
                await asyncio.sleep(0)
            elif self._closing and not self._queue:
                return
            else:
                resting = _Resting(lane, asyncio.get_running_loop().create_future())
                self._resting.append(resting)
                await resting.woken

    async def _carry(self, lane: Lane, groups: list[Group]) -> None:
        streams = [group[0].stream for group in groups]
        self._busy.update(streams)
        if len(self._queue) >= _SHARE_FROM // 2:
            self._wake_one()
        try:
            await self._commit(lane, groups)
        finally:
            self._busy.difference_update(streams)
            # What had to wait for these streams may go now.
            if self._queue or self._closing:
                self._wake_all()

    async def _append_alone(
        self,
        stream: str,
        events: Sequence[NewEvent],
        expected: int,
        size: int,
        once: UUID | None,
    ) -> Appended:
        """Nothing else is under way: save the detour over the queue and another task."""
        # The one that rested last: a lone writer keeps one connection, and its backend, warm.
        resting = self._resting.pop()
        self._only = True
        started = time.perf_counter()
        uncertain = False
        appended: Appended | None = None
        try:
            try:
                if once is None:
                    appended = await resting.lane.append_next(stream, events, expected)
            except _CAUGHT as error:
                # Looked into by those who carry it the usual way.
                uncertain = leaves_doubt(error)
                if fault_of(error) is Fault.LOST:
                    resting.lane.drop()
            if appended is not None:
                seconds = time.perf_counter() - started
                # The caller first: it may already send what comes next.
                asyncio.get_running_loop().call_soon(self._tell, appended.recorded, 1, seconds)
                return appended
            pending = Pending(stream, events, expected, size, once)
            pending.uncertain = uncertain
            await self._commit(resting.lane, [[pending]])
            return await pending.future
        finally:
            self._only = False
            self._resting.append(resting)
            if self._queue or self._closing:
                self._wake_all()

    def _wake_one(self) -> None:
        while self._resting:
            woken = self._resting.popleft().woken
            if not woken.done():
                woken.set_result(None)
                return

    def _wake_all(self) -> None:
        while self._resting:
            self._wake_one()

    async def _commit(self, lane: Lane, groups: list[Group], *, together: bool = False) -> None:
        deadline = 0.0
        backoff = Backoff()
        while True:
            try:
                if deadline or groups[0][0].uncertain:
                    groups = await self._not_stored(lane, groups)
                if groups:
                    await self._attempt(lane, groups, together=together)
            except _CAUGHT as error:
                fault = fault_of(error)
                deadline = deadline or time.monotonic() + self._patience
                if fault not in (Fault.LOST, Fault.BUSY) or time.monotonic() > deadline:
                    self._give_up(groups, error)
                    return
                if fault is Fault.LOST:
                    lane.drop()
            else:
                return
            await backoff.wait()

    async def _attempt(self, lane: Lane, groups: list[Group], *, together: bool) -> None:
        try:
            await self._send(lane, groups, together=together)
        except _CAUGHT as error:
            if fault_of(error) is not Fault.GUILTY:
                raise
            await self._split(lane, groups, error, together=together)

    async def _send(self, lane: Lane, groups: list[Group], *, together: bool) -> None:
        started = time.perf_counter()
        if not lane.is_connected():
            # Nothing is on its way yet when this fails.
            await lane.reconnect()
        try:
            recorded, refused = await lane.send(groups, together=together)
        except BaseException as error:
            if not isinstance(error, Exception) or leaves_doubt(error):
                for group in groups:
                    for pending in group:
                        pending.uncertain = True
            raise
        if recorded:
            appends = sum(map(len, groups)) - len(refused)
            self._tell(recorded, appends, time.perf_counter() - started)
        for pending, outcome in refused:
            # After a lost connection the other writer may be our own statement.
            if not (pending.uncertain and await self._is_stored(lane, pending)):
                pending.refuse(outcome)

    def _tell(self, recorded: Sequence[RecordedEvent], appends: int, seconds: float) -> None:
        self._committed(recorded)
        if self._on_batch is not None:
            self._on_batch(appends, len(recorded), seconds)

    async def _split(
        self, lane: Lane, groups: list[Group], error: Exception, *, together: bool
    ) -> None:
        """One of the appends is guilty: find it, and store the others, unless they go together."""
        if together:
            for group in groups:
                await self._blame(lane, group[0], error)
        elif len(groups) > 1:
            half = len(groups) // 2
            await self._commit(lane, groups[:half])
            await self._commit(lane, groups[half:])
        elif len(groups[0]) > 1:
            for pending in groups[0]:
                await self._commit(lane, [[pending]])
        else:
            await self._blame(lane, groups[0][0], error)

    async def _blame(self, lane: Lane, pending: Pending, error: Exception) -> None:
        if not isinstance(error, asyncpg.UniqueViolationError):
            reason = str(self._translator.store_error(error))
            pending.fail(InvalidAppend(f"append to {pending.stream!r}: {reason}"))
        elif not (pending.uncertain and await self._is_stored(lane, pending)):
            pending.fail(DuplicateEvent(repeated_id(error)))

    async def _not_stored(self, lane: Lane, groups: list[Group]) -> list[Group]:
        """Answer what turns out to be stored; the rest is to be sent again."""
        remaining: list[Group] = []
        for group in groups:
            rest = [
                pending
                for pending in group
                if not pending.future.done()
                and not (pending.uncertain and await self._is_stored(lane, pending))
            ]
            if rest:
                remaining.append(rest)
        return remaining

    async def _is_stored(self, lane: Lane, pending: Pending) -> bool:
        recorded = await lane.stored(pending)
        if recorded:
            self._committed(recorded)
        return bool(recorded)

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
