"""Sending appends over a connection: repeated, resolved and split until each one is answered."""

import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import asyncpg

from chekov.backoff import Backoff
from chekov.errors import DuplicateEvent, InvalidAppend, StoreError
from chekov.store.port import RecordedEvent
from chekov.store.postgres.append.append_connection import AppendConnection
from chekov.store.postgres.append.batch import Group, Pending
from chekov.store.postgres.errors import DATABASE_ERRORS, Fault, fault_of, leaves_doubt, repeated_id
from chekov.store.postgres.schema import Schema
from chekov.watermark import Watermark

SEND_ERRORS: Final = (*DATABASE_ERRORS, StoreError, ValueError, TypeError, AttributeError)
"""What sending appends may raise."""

Committed = Callable[[Sequence[RecordedEvent], int], None]
OnBatch = Callable[[int, int, float], None]


class _Batch:
    """The state of one call of `BatchSender.send`.

    Attributes:
        groups: those not answered yet.
        sent: whether the last attempt came so far as to send them.
        rejected: the error of the last attempt, if that was about a value.
        backoff: between attempts; `None` before the first failure.
        deadline: of the attempts, by the monotonic clock.
    """

    sent = False
    rejected: Exception | None = None
    backoff: Backoff | None = None
    deadline = 0.0

    def __init__(self, groups: Sequence[Group], *, together: bool, lone: bool) -> None:
        self.groups = groups
        self.together = together
        self.lone = lone


class BatchSender:
    """Sends batches of appends, whatever goes wrong on the way.

    Args:
        schema: of the store.
        committed: called with the events of each statement, and with how many drops there had been
            before it was sent.
        others: called before, likewise, with the events of other processes that an answer brought
            along.
        drops: counts the moments from which on no event read before may be shown.
        on_batch: called with the appends, events and seconds of each statement.
        gave_up: called with the error when the database stays away, to fail the queued appends.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        committed: Committed,
        others: Committed,
        drops: Watermark,
        on_batch: OnBatch | None,
        gave_up: Callable[[Exception], None],
    ) -> None:
        self._translator = schema.translator
        self._patience = schema.pool.patience
        self._servers = schema.pool.servers
        self._committed = committed
        self._others = others
        self._drops = drops
        self._on_batch = on_batch
        self._gave_up = gave_up

    async def send(
        self,
        connection: AppendConnection,
        groups: Sequence[Group],
        *,
        together: bool = False,
        lone: bool = False,
    ) -> None:
        """Answer every append of `groups`; see `AppendConnection.send` for the two flags.

        A lost connection leaves the outcome unknown: the appends are looked up before they are
        sent again. A rejected value fails its append alone: the batch is split to find it.
        """
        batch = _Batch(groups, together=together, lone=lone)
        while True:
            try:
                await self._attempt(connection, batch)
            except SEND_ERRORS as error:
                if not self._may_repeat(connection, batch, error):
                    self._give_up(batch.groups, error)
                    return
            else:
                return
            if batch.rejected is None and batch.backoff is not None:
                await batch.backoff.wait()

    def report(
        self, recorded: Sequence[RecordedEvent], drops: int, appends: int, seconds: float
    ) -> None:
        """Report the events that one statement stored, sent after so many drops."""
        self._committed(recorded, drops)
        if self._on_batch is not None:
            self._on_batch(appends, len(recorded), seconds)

    async def _attempt(self, connection: AppendConnection, batch: "_Batch") -> None:
        batch.sent = False
        if not connection.is_connected():
            await connection.connect()
        if batch.rejected is not None:
            await self._split(connection, batch, batch.rejected)
            return
        if batch.backoff is not None or batch.groups[0][0].uncertain:
            batch.groups = await self._resolve(connection, batch.groups)
            if not batch.groups:
                return
        drops, started = self._drops.value, time.perf_counter()
        batch.sent = True
        recorded, refused, others = await connection.send(
            batch.groups, together=batch.together, lone=batch.lone
        )
        if others:
            self._others(others, drops)
        if recorded:
            appends = sum(map(len, batch.groups)) - len(refused)
            self.report(recorded, drops, appends, time.perf_counter() - started)
        for pending, error in refused:
            # After a lost connection, the conflict may be with this append's own first try.
            if not (pending.uncertain and await self._is_stored(connection, pending)):
                pending.fail(error)

    def _may_repeat(self, connection: AppendConnection, batch: "_Batch", error: Exception) -> bool:
        """Prepare the next attempt after an error; `False` when there is to be none."""
        self._servers.learn(error)
        fault = fault_of(error)
        if fault is Fault.REJECTED_VALUE and batch.rejected is None:
            batch.rejected = error
            return True
        batch.rejected = None
        if batch.sent and leaves_doubt(error):
            for pending in chain.from_iterable(batch.groups):
                pending.uncertain = True
        if fault is Fault.LOST:
            connection.terminate()
        now = time.monotonic()
        if batch.backoff is None:
            batch.backoff = Backoff()
            batch.deadline = now + self._patience
        return fault in (Fault.LOST, Fault.BUSY) and now < batch.deadline

    async def _split(
        self,
        connection: AppendConnection,
        batch: "_Batch",
        error: Exception,
    ) -> None:
        """Find the append whose values were rejected; store the others, unless all go together."""
        groups = batch.groups
        if batch.together:
            for group in groups:
                await self._reject(connection, group[0], error)
        elif len(groups) > 1:
            half = len(groups) // 2
            await self.send(connection, groups[:half])
            await self.send(connection, groups[half:])
        elif len(groups[0]) > 1:
            for pending in groups[0]:
                await self.send(connection, [[pending]])
        else:
            await self._reject(connection, groups[0][0], error)

    async def _reject(
        self, connection: AppendConnection, pending: Pending, error: Exception
    ) -> None:
        if not isinstance(error, asyncpg.UniqueViolationError):
            reason = str(self._translator.store_error(error))
            pending.fail(InvalidAppend(f"append to {pending.stream!r}: {reason}"))
        elif not (pending.uncertain and await self._is_stored(connection, pending)):
            pending.fail(DuplicateEvent(repeated_id(error)))

    async def _resolve(
        self, connection: AppendConnection, groups: Sequence[Group]
    ) -> Sequence[Group]:
        """Answer the appends of unknown outcome that were stored, and return the others."""
        remaining: list[Group] = []
        for group in groups:
            rest = [
                pending
                for pending in group
                if not pending.future.done()
                and not (pending.uncertain and await self._is_stored(connection, pending))
            ]
            if rest:
                remaining.append(rest)
        return remaining

    async def _is_stored(self, connection: AppendConnection, pending: Pending) -> bool:
        drops = self._drops.value
        recorded = await connection.find(pending)
        if recorded:
            self._committed(recorded, drops)
        return bool(recorded)

    def _give_up(self, groups: Sequence[Group], error: Exception) -> None:
        """Fail these appends and those in the queue: the database stays away, or refuses."""
        for pending in chain.from_iterable(groups):
            stored = None if pending.uncertain else False
            pending.fail(self._translator.store_error(error, stored=stored))
        self._gave_up(self._translator.store_error(error))
