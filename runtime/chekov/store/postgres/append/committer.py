"""Group commit: everything that waits goes to Postgres as one statement, in one round trip.

Nothing waits for company: while a statement is under way the next one fills. When much waits, it
is shared between two connections, so that Postgres works on one half while this process answers
and prepares the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple
from uuid import UUID

from chekov.errors import StoreClosed, StoreUnavailable
from chekov.store.port import Appended, ExpectedVersion, NewEvent, StreamAppend
from chekov.store.postgres.append.append_connection import AppendConnection
from chekov.store.postgres.append.batch import Group, Pending, take
from chekov.store.postgres.append.batch_sender import CAUGHT, BatchSender, Committed, OnBatch
from chekov.store.postgres.append.head_cache import HeadCache
from chekov.store.postgres.errors import Fault, fault_of, leaves_doubt
from chekov.store.postgres.schema import Schema
from chekov.store.validation import check_append, check_together

_CONNECTIONS: Final = 2
_SHARE_FROM: Final = 64
_WATCH_SECONDS: Final = 1.0


class _Idle(NamedTuple):
    """A lane with nothing to do, and how to wake its task."""

    connection: AppendConnection
    woken: "asyncio.Future[None]"


class Committer:
    """Takes appends of one process and answers each of them.

    Args:
        schema: of the store.
        committed: told what was stored, at the latest when the loop comes round again.
        alone: whether no other process was seen at this store lately.
        on_batch: told appends, events and seconds of each statement.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        committed: Committed,
        alone: Callable[[], bool],
        on_batch: OnBatch | None,
    ) -> None:
        self._sender = BatchSender(
            schema, committed=committed, on_batch=on_batch, gave_up=self._fail_all
        )
        head_cache = HeadCache(alone)
        self._connections = [AppendConnection(schema, head_cache) for _ in range(_CONNECTIONS)]
        self._joint = AppendConnection(schema, head_cache)
        self._joint_turn = asyncio.Lock()
        self._queue: deque[Pending] = deque()
        self._idle: deque[_Idle] = deque()
        self._busy: set[str] = set()
        self._only = False
        self._closing = False

    def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        expected: ExpectedVersion,
        command_id: UUID | None = None,
        *,
        own: bool = False,
    ) -> Awaitable[Appended]:
        """Store all of `events`, or none; `own` ones have a type of the store's own.

        To be awaited at once.
        """
        size = check_append(stream, events, expected, own=own)
        if self._closing:
            raise StoreClosed("the store was closed")
        if len(self._idle) == _CONNECTIONS and not self._queue:
            return self._append_alone(stream, events, expected, size, command_id)
        pending = Pending(stream, events, expected, size, command_id)
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
            await self._sender.send(self._joint, [[pending] for pending in pendings], together=True)
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
                    for connection in self._connections:
                        group.create_task(self._run(connection))
                watching.cancel()
        finally:
            self._closing = True
            self._fail(self._queue, StoreClosed("the store was closed"))
            for connection in (*self._connections, self._joint):
                connection.drop()

    def close(self) -> None:
        """Take no more appends; `run` ends when the last one is answered."""
        self._closing = True
        self._wake_all()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for connection in (*self._connections, self._joint):
                connection.drop_overdue()

    async def _run(self, connection: AppendConnection) -> None:
        while True:
            waiting = len(self._queue)
            shared = waiting >= _SHARE_FROM
            # Of what is under way and what waits, half.
            share = min(waiting, (waiting + len(self._busy) + 1) // 2) if shared else waiting
            groups = take(self._queue, self._busy, share)
            if groups:
                others_idle = len(self._idle) == _CONNECTIONS - 1 and not self._joint_turn.locked()
                await self._send(connection, groups, lone=others_idle and not shared)
                # Callers that were just answered may have more: let it come along.
                await asyncio.sleep(0)
            elif self._closing and not self._queue:
                return
            else:
                idle = _Idle(connection, asyncio.get_running_loop().create_future())
                self._idle.append(idle)
                await idle.woken

    async def _send(self, connection: AppendConnection, groups: list[Group], *, lone: bool) -> None:
        streams = [group[0].stream for group in groups]
        self._busy.update(streams)
        self._only = lone
        if len(self._queue) >= _SHARE_FROM // 2 and not lone:
            self._wake_one()
        try:
            await self._sender.send(connection, groups, lone=lone)
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
        command_id: UUID | None,
    ) -> Appended:
        """Nothing else is under way: save the detour over the queue and another task."""
        idle = self._idle.pop()
        self._only = True
        started = time.perf_counter()
        uncertain = False
        appended: Appended | None = None
        try:
            try:
                if command_id is None:
                    appended = await idle.connection.append_next(stream, events, expected)
            except CAUGHT as error:
                # Looked into by those who carry it the usual way.
                uncertain = leaves_doubt(error)
                if fault_of(error) is Fault.LOST:
                    idle.connection.drop()
            if appended is not None:
                seconds = time.perf_counter() - started
                # The caller first: it may already send what comes next.
                asyncio.get_running_loop().call_soon(
                    self._sender.tell, appended.recorded, 1, seconds
                )
                return appended
            pending = Pending(stream, events, expected, size, command_id)
            pending.uncertain = uncertain
            await self._sender.send(idle.connection, [[pending]], lone=True)
            return await pending.future
        finally:
            self._only = False
            self._idle.append(idle)
            if self._closing:
                self._wake_all()
            elif self._queue:
                self._wake_one()

    def _wake_one(self) -> None:
        # The one that rested last: a lone writer keeps one connection, and its backend, warm.
        while self._idle:
            woken = self._idle.pop().woken
            if not woken.done():
                woken.set_result(None)
                return

    def _wake_all(self) -> None:
        while self._idle:
            self._wake_one()

    def _fail_all(self, error: Exception) -> None:
        waiting = list(self._queue)
        self._queue.clear()
        self._fail(waiting, error)

    def _fail(self, pendings: Iterable[Pending], error: Exception) -> None:
        for pending in pendings:
            pending.fail(error)
