"""Seeing appends through on a connection: sent, sent again, split, and each of them answered."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from chekov.backoff import Backoff
from chekov.errors import DuplicateEvent, InvalidAppend, StoreError
from chekov.store.port import RecordedEvent
from chekov.store.postgres.append.append_connection import AppendConnection
from chekov.store.postgres.append.batch import Group, Pending
from chekov.store.postgres.errors import DATABASE_ERRORS, Fault, fault_of, leaves_doubt, repeated_id
from chekov.store.postgres.schema import Schema

CAUGHT: Final = (*DATABASE_ERRORS, StoreError, ValueError, TypeError, AttributeError)
"""What sending appends may raise."""

Committed = Callable[[Sequence[RecordedEvent]], None]
OnBatch = Callable[[int, int, float], None]


class BatchSender:
    """Takes appends to Postgres, whatever happens on the way.

    Args:
        schema: of the store.
        committed: told what was stored.
        on_batch: told appends, events and seconds of each statement.
        gave_up: told the error when the database stays away, for those who wait behind.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        committed: Committed,
        on_batch: OnBatch | None,
        gave_up: Callable[[Exception], None],
    ) -> None:
        self._translator = schema.translator
        self._patience = schema.pool.patience
        self._committed = committed
        self._on_batch = on_batch
        self._gave_up = gave_up

    async def send(
        self,
        connection: AppendConnection,
        groups: list[Group],
        *,
        together: bool = False,
        lone: bool = False,
    ) -> None:
        """Answer every append of `groups`; see `AppendConnection.send` for the two flags."""
        deadline = 0.0
        backoff = Backoff()
        while True:
            try:
                if deadline or groups[0][0].uncertain:
                    groups = await self._not_stored(connection, groups)
                if groups:
                    await self._attempt(connection, groups, together=together, lone=lone)
            except CAUGHT as error:
                fault = fault_of(error)
                deadline = deadline or time.monotonic() + self._patience
                if fault not in (Fault.LOST, Fault.BUSY) or time.monotonic() > deadline:
                    self._give_up(groups, error)
                    return
                if fault is Fault.LOST:
                    connection.drop()
            else:
                return
            await backoff.wait()

    async def _attempt(
        self, connection: AppendConnection, groups: list[Group], *, together: bool, lone: bool
    ) -> None:
        try:
            await self._send_once(connection, groups, together=together, lone=lone)
        except CAUGHT as error:
            if fault_of(error) is not Fault.REJECTED_VALUE:
                raise
            await self._split(connection, groups, error, together=together)

    async def _send_once(
        self, connection: AppendConnection, groups: list[Group], *, together: bool, lone: bool
    ) -> None:
        started = time.perf_counter()
        if not connection.is_connected():
            # Nothing is on its way yet when this fails.
            await connection.reconnect()
        try:
            recorded, refused = await connection.send(groups, together=together, lone=lone)
        except BaseException as error:
            if not isinstance(error, Exception) or leaves_doubt(error):
                for group in groups:
                    for pending in group:
                        pending.uncertain = True
            raise
        if recorded:
            appends = sum(map(len, groups)) - len(refused)
            self.tell(recorded, appends, time.perf_counter() - started)
        for pending, outcome in refused:
            # After a lost connection the other writer may be our own statement.
            if not (pending.uncertain and await self._is_stored(connection, pending)):
                pending.refuse(outcome)

    def tell(self, recorded: Sequence[RecordedEvent], appends: int, seconds: float) -> None:
        """Let it be known what a statement stored."""
        self._committed(recorded)
        if self._on_batch is not None:
            self._on_batch(appends, len(recorded), seconds)

    async def _split(
        self, connection: AppendConnection, groups: list[Group], error: Exception, *, together: bool
    ) -> None:
        """One of the appends is guilty: find it, and store the others, unless they go together."""
        if together:
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

    async def _not_stored(self, connection: AppendConnection, groups: list[Group]) -> list[Group]:
        """Answer what turns out to be stored; the rest is to be sent again."""
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
        recorded = await connection.stored(pending)
        if recorded:
            self._committed(recorded)
        return bool(recorded)

    def _give_up(self, groups: list[Group], error: Exception) -> None:
        """The database stays away or refuses: whoever waits is told, also behind this batch."""
        for group in groups:
            for pending in group:
                stored = None if pending.uncertain else False
                pending.fail(self._translator.store_error(error, stored=stored))
        self._gave_up(self._translator.store_error(error))
