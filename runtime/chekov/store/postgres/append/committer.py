"""Group commit: all queued appends go to Postgres as one statement, in one round trip.

Nothing waits for company: while a statement is under way, the next one fills. A long queue is
shared between two connections, so that Postgres works on one half while this process answers and
prepares the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final, NamedTuple
from uuid import UUID

from chekov.errors import StoreClosed, StoreUnavailable
from chekov.store.conditions import keeping, keeping_together
from chekov.store.port import (
    Appended,
    ExpectedVersion,
    NewEvent,
    NoneSince,
    RecordedEvent,
    StreamAppend,
)
from chekov.store.postgres.append.append_connection import AppendConnection
from chekov.store.postgres.append.batch import Group, Pending, take
from chekov.store.postgres.append.batch_sender import SEND_ERRORS, BatchSender, Committed, OnBatch
from chekov.store.postgres.append.head_cache import HeadCache
from chekov.store.postgres.connection_options import CONNECT_SECONDS
from chekov.store.postgres.errors import Fault, fault_of, leaves_doubt
from chekov.store.postgres.schema import Schema
from chekov.store.troubles import Troubles
from chekov.store.validation import check_append, check_conditions, check_together
from chekov.watermark import Watermark

_CONNECTIONS: Final = 2
_SHARE_FROM: Final = 64
_WATCH_SECONDS: Final = 1.0
_SILENT_SECONDS: Final = 3.0
"""After which an append without an answer is a trouble."""
APPENDS: Final = "appends"
"""The part of a store whose trouble this is."""


class _Idle(NamedTuple):
    """A connection without a statement under way, and what wakes its task."""

    connection: AppendConnection
    woken: "asyncio.Future[None]"


class Committer:
    """Queues the appends of one process and sends them in batches.

    Args:
        schema: of the store.
        committed: called with the stored events, at the latest in the next turn of the loop, and
            with how many drops there had been before they were sent.
        others: called likewise with events of other processes that the answer of an append brought
            along.
        drops: counts the moments from which on no event read before may be shown.
        followed: returns the position after which it is to do that; `None` for not at all.
        newest: returns the last position that this process has heard of, whoever wrote it.
        alone: returns whether no other process was connected to this store lately.
        on_batch: called with the appends, events and seconds of each statement.
        troubles: it is noted there that appends are not answered.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        committed: Committed,
        others: Committed,
        drops: Watermark,
        followed: Callable[[], int | None],
        newest: Callable[[], int],
        alone: Callable[[], bool],
        on_batch: OnBatch | None,
        troubles: Troubles,
    ) -> None:
        def answered(recorded: Sequence[RecordedEvent], drops: int) -> None:
            if troubles.of(APPENDS) and self._longest_wait() <= _SILENT_SECONDS:
                troubles.clear(APPENDS)
            committed(recorded, drops)

        self._drops = drops
        self._sender = BatchSender(
            schema,
            committed=answered,
            others=others,
            drops=drops,
            on_batch=on_batch,
            gave_up=self._fail_queued,
        )
        self._troubles = troubles
        cache = self._head_cache = HeadCache(newest)
        *self._connections, self._joint = [
            AppendConnection(schema, cache, followed, alone) for _ in range(_CONNECTIONS + 1)
        ]
        self._joint_turn = asyncio.Lock()
        self._queue: deque[Pending] = deque()
        self._idle: deque[_Idle] = deque()
        self._busy: set[str] = set()
        self._lone = False
        self._closing = False

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
        *,
        own: bool = False,
    ) -> Appended:
        """Store all of `events`, or none; `own` events have a type of the store's own."""
        if condition is not None or unchanged is not None:
            check_conditions(condition, unchanged)
            events = keeping(events, condition, unchanged)
        size = check_append(stream, events, expected, own=own)
        self._check_open()
        if self._queue or len(self._idle) < _CONNECTIONS:
            return await self._enqueue(
                Pending(stream, events, expected, size, command_id, condition, unchanged)
            )
        # Nothing else is under way: the append needs neither the queue nor another task.
        idle = self._idle.pop()
        self._lone = True
        uncertain = False
        drops = self._drops.value
        started = time.perf_counter()
        try:
            if command_id is None and unchanged is None:
                try:
                    appended = await idle.connection.insert_next(
                        stream, events, expected, condition
                    )
                except SEND_ERRORS as error:
                    # The sender meets it again, and knows what to do.
                    uncertain = leaves_doubt(error)
                    if fault_of(error) is Fault.LOST:
                        idle.connection.terminate()
                else:
                    if appended is not None:
                        seconds = time.perf_counter() - started
                        # Later: the caller may be about to send its next append.
                        asyncio.get_running_loop().call_soon(
                            self._sender.report, appended.recorded, drops, 1, seconds
                        )
                        return appended
            pending = Pending(stream, events, expected, size, command_id, condition, unchanged)
            pending.uncertain = uncertain
            await self._sender.send(idle.connection, [[pending]], lone=True)
            return await pending.future
        finally:
            self._rest(idle)

    async def append_together(
        self,
        appends: Sequence[StreamAppend],
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Sequence[Appended]:
        """Store all of `appends`, or none: one call at a time, over a connection of their own."""
        check_conditions(condition, unchanged)
        appends = keeping_together(appends, condition, unchanged)
        sizes = check_together(appends)
        self._check_open()
        pendings = [
            Pending(append.stream, append.events, append.expected, size)
            for append, size in zip(appends, sizes, strict=True)
        ]
        pendings[0].require(condition, unchanged)
        async with self._joint_turn:
            await self._sender.send(self._joint, [[pending] for pending in pendings], together=True)
        answers = [pending.future for pending in pendings if pending.future.done()]
        errors = [error for answer in answers if (error := answer.exception()) is not None]
        if errors:
            raise errors[0]
        return [answer.result() for answer in answers]

    async def run(self) -> None:
        """Send queued appends until `close` is called and the queue is empty."""
        try:
            async with asyncio.TaskGroup() as watch:
                watching = watch.create_task(self._watch())
                async with asyncio.TaskGroup() as group:
                    for connection in self._connections:
                        group.create_task(self._run(connection))
                watching.cancel()
        finally:
            self._closing = True
            _fail(self._queue, StoreClosed("the store was closed"))
            for connection in (*self._connections, self._joint):
                connection.terminate()

    def forget(self) -> None:
        """Forget where the log ended: it is another one now."""
        self._head_cache.invalidate()

    def close(self) -> None:
        """Accept no more appends; `run` ends when the last one is answered."""
        self._closing = True
        self._wake_all()

    def _check_open(self) -> None:
        if self._closing:
            raise StoreClosed("the store was closed")

    def _enqueue(self, pending: Pending) -> "asyncio.Future[Appended]":
        self._queue.append(pending)
        if len(self._queue) >= _SHARE_FROM and not self._lone:
            self._wake_one()
        return pending.future

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for connection in (*self._connections, self._joint):
                connection.terminate_overdue()
            longest = self._longest_wait()
            if longest > _SILENT_SECONDS:
                self._troubles.note(APPENDS, f"no answer for {longest:.0f} s")
            elif self._troubles.of(APPENDS):
                await self._try_again()

    def _longest_wait(self) -> float:
        """For how many seconds a connection has owed an answer."""
        return max(each.busy_seconds for each in (*self._connections, self._joint))

    async def _try_again(self) -> None:
        """Look whether appends would be answered, since nobody may send one meanwhile."""
        if not self._idle:
            return
        idle = self._idle.pop()
        try:
            with suppress(*SEND_ERRORS):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await idle.connection.try_statement()
                self._troubles.clear(APPENDS)
        finally:
            self._rest(idle)

    async def _run(self, connection: AppendConnection) -> None:
        while True:
            groups, lone = self._take()
            if groups:
                await self._send(connection, groups, lone=lone)
                # Callers that were just answered may append more, for the next statement.
                await asyncio.sleep(0)
            elif self._closing and not self._queue:
                return
            else:
                idle = _Idle(connection, asyncio.get_running_loop().create_future())
                self._idle.append(idle)
                await idle.woken

    def _take(self) -> tuple[Sequence[Group], bool]:
        """What the next statement carries, and whether it is the only one under way."""
        waiting = len(self._queue)
        shared = waiting >= _SHARE_FROM
        # Half of the appends that are queued or under way.
        share = min(waiting, (waiting + len(self._busy) + 1) // 2) if shared else waiting
        others_idle = len(self._idle) == _CONNECTIONS - 1 and not self._joint_turn.locked()
        return take(self._queue, self._busy, share), others_idle and not shared

    async def _send(
        self, connection: AppendConnection, groups: Sequence[Group], *, lone: bool
    ) -> None:
        streams = [group[0].stream for group in groups]
        self._busy.update(streams)
        self._lone = lone
        if len(self._queue) >= _SHARE_FROM // 2 and not lone:
            self._wake_one()
        try:
            await self._sender.send(connection, groups, lone=lone)
        except BaseException:
            lost = StoreUnavailable("the store was closed before the answer came", stored=None)
            _fail(chain.from_iterable(groups), lost)
            raise
        finally:
            self._lone = False
            self._busy.difference_update(streams)
            # This connection continues with a short queue alone.
            if self._closing or len(self._queue) >= _SHARE_FROM:
                self._wake_all()

    def _rest(self, idle: _Idle) -> None:
        """Return a connection that sent an append without its task."""
        self._lone = False
        self._idle.append(idle)
        if self._closing:
            self._wake_all()
        elif self._queue:
            self._wake_one()

    def _wake_one(self) -> None:
        # The last one to rest: a lone writer keeps one connection, and its backend, warm.
        while self._idle:
            woken = self._idle.pop().woken
            if not woken.done():
                woken.set_result(None)
                return

    def _wake_all(self) -> None:
        while self._idle:
            self._wake_one()

    def _fail_queued(self, error: Exception) -> None:
        if isinstance(error, StoreUnavailable):
            self._troubles.note(APPENDS, error)
        waiting = list(self._queue)
        self._queue.clear()
        _fail(waiting, error)


def _fail(pendings: Iterable[Pending], error: Exception) -> None:
    for pending in pendings:
        pending.fail(error)
