"""Group commit: everything that waits goes to Postgres as one statement, in one round trip.

Nothing waits for company: while a statement is under way the next one fills. When much waits, it
is shared between two connections, so that Postgres works on one half while this process answers
and prepares the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from chekov.errors import StoreClosed, StoreUnavailable
from chekov.store.checks import check_append, check_together
from chekov.store.port import Appended, ExpectedVersion, NewEvent, StreamAppend
from chekov.store.postgres.batch import Group, Pending, take
from chekov.store.postgres.carrier import CAUGHT, Carrier, Committed, OnBatch
from chekov.store.postgres.connections import Database
from chekov.store.postgres.errors import Fault, fault_of, leaves_doubt
from chekov.store.postgres.knowledge import Knowledge
from chekov.store.postgres.lane import Lane

_LANES: Final = 2
_SHARE_FROM: Final = 64
_WATCH_SECONDS: Final = 1.0


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
        self._carrier = Carrier(
            database, committed=committed, on_batch=on_batch, gave_up=self._fail_all
        )
        knowledge = Knowledge(alone)
        self._lanes = [Lane(database, statements, knowledge) for _ in range(_LANES)]
        self._joint = Lane(database, statements, knowledge)
        self._joint_turn = asyncio.Lock()
        self._queue: deque[Pending] = deque()
        self._resting: deque[_Resting] = deque()
        self._busy: set[str] = set()
        self._only = False
        self._closing = False

    def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        once: UUID | None = None,
        *,
        own: bool = False,
    ) -> Awaitable[Appended]:
        """Store all of `events`, or none; `own` ones have a type of the store's own.

        To be awaited at once.
        """
        size = check_append(stream, events, expected, own=own)
        if self._closing:
            raise StoreClosed("the store was closed")
        if len(self._resting) == _LANES and not self._queue:
            return self._append_alone(stream, events, expected, size, once)
        pending = Pending(stream, events, expected, size, once)
        self._queue.append(pending)
        if len(self._queue) >= _SHARE_FROM and not self._only:
            self._wake_one()
        return pending.future

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
            await self._carrier.carry(
                self._joint, [[pending] for pending in pendings], together=True
            )
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
            shared = waiting >= _SHARE_FROM
            # Of what is under way and what waits, half.
            share = min(waiting, (waiting + len(self._busy) + 1) // 2) if shared else waiting
            groups = take(self._queue, self._busy, share)
            if groups:
                others_rest = len(self._resting) == _LANES - 1 and not self._joint_turn.locked()
                await self._carry(lane, groups, lone=others_rest and not shared)
                # Callers that were just answered may have more: let it come along.
                await asyncio.sleep(0)
            elif self._closing and not self._queue:
                return
            else:
                resting = _Resting(lane, asyncio.get_running_loop().create_future())
                self._resting.append(resting)
                await resting.woken

    async def _carry(self, lane: Lane, groups: list[Group], *, lone: bool) -> None:
        streams = [group[0].stream for group in groups]
        self._busy.update(streams)
        self._only = lone
        if len(self._queue) >= _SHARE_FROM // 2 and not lone:
            self._wake_one()
        try:
            await self._carrier.carry(lane, groups, lone=lone)
        except BaseException:
            lost = StoreUnavailable("the store was closed before the answer came", stored=None)
            self._fail(chain.from_iterable(groups), lost)
            raise
        finally:
            self._only = False
            self._busy.difference_update(streams)
            # This lane goes on with what is left, unless that is much.
            if self._closing or len(self._queue) >= _SHARE_FROM:
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
        resting = self._resting.pop()
        self._only = True
        started = time.perf_counter()
        uncertain = False
        appended: Appended | None = None
        try:
            try:
                if once is None:
                    appended = await resting.lane.append_next(stream, events, expected)
            except CAUGHT as error:
                # Looked into by those who carry it the usual way.
                uncertain = leaves_doubt(error)
                if fault_of(error) is Fault.LOST:
                    resting.lane.drop()
            if appended is not None:
                seconds = time.perf_counter() - started
                # The caller first: it may already send what comes next.
                asyncio.get_running_loop().call_soon(
                    self._carrier.tell, appended.recorded, 1, seconds
                )
                return appended
            pending = Pending(stream, events, expected, size, once)
            pending.uncertain = uncertain
            await self._carrier.carry(resting.lane, [[pending]], lone=True)
            return await pending.future
        finally:
            self._only = False
            self._resting.append(resting)
            if self._closing:
                self._wake_all()
            elif self._queue:
                self._wake_one()

    def _wake_one(self) -> None:
        # The one that rested last: a lone writer keeps one connection, and its backend, warm.
        while self._resting:
            woken = self._resting.pop().woken
            if not woken.done():
                woken.set_result(None)
                return

    def _wake_all(self) -> None:
        while self._resting:
            self._wake_one()

    def _fail_all(self, error: Exception) -> None:
        waiting = list(self._queue)
        self._queue.clear()
        self._fail(waiting, error)

    def _fail(self, pendings: Iterable[Pending], error: Exception) -> None:
        for pending in pendings:
            pending.fail(error)
