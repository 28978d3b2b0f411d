"""What becomes of appends when one misfortune follows another."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

import asyncpg

from chekov.errors import DuplicateEvent, StoreUnavailable
from chekov.store.port import NewEvent, RecordedEvent
from chekov.store.postgres.append.append_connection import AppendConnection
from chekov.store.postgres.append.batch import Pending
from chekov.store.postgres.append.batch_sender import BatchSender
from chekov.store.postgres.pool import PostgresPool
from chekov.store.postgres.schema import Schema

NOW = datetime(2024, 1, 1, tzinfo=UTC)


class Misfortunes:
    """A lane where each call goes as it is told: an error, `True` for stored, or `False`."""

    def __init__(self, sends: Sequence[Exception], looks: Sequence[Exception | bool]) -> None:
        self.sends = list(sends)
        self.looks = list(looks)

    async def send(self, *_: object, **__: object) -> None:
        raise self.sends.pop(0)

    async def stored(self, pending: Pending) -> Sequence[RecordedEvent]:
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return pending.answer(pending.stored(6, 2, NOW)) if look else ()

    def is_connected(self) -> bool:
        return True

    def drop(self) -> None:
        pass


def lost() -> Exception:
    return asyncpg.ConnectionDoesNotExistError("gone")


def taken() -> Exception:
    return asyncpg.UniqueViolationError("taken")


async def commit(
    connection: Misfortunes, *, patience: float
) -> tuple[Pending, list[RecordedEvent]]:
    told: list[RecordedEvent] = []
    schema = Schema(PostgresPool("postgresql://x", patience=patience), "chekov", 1)
    sender = BatchSender(schema, committed=told.extend, on_batch=None, gave_up=lambda _: None)
    pending = Pending("a", [NewEvent(uuid4(), "t", b"{}")], 2, 2)
    await sender.send(cast("AppendConnection", connection), [[pending]])
    return pending, told


async def test_a_connection_that_breaks_while_it_looks_who_is_guilty_hurts_nobody() -> None:
    """Sent, lost, not there yet, sent again, there by now, lost while looking: then found."""
    connection = Misfortunes([lost(), taken()], [False, lost(), True])
    pending, told = await commit(connection, patience=60)
    assert pending.future.result().position == 7
    assert [event.position for event in told] == [7]
    assert (connection.sends, connection.looks) == ([], [])


async def test_an_id_that_another_append_stored_is_told_after_all() -> None:
    connection = Misfortunes([lost(), taken()], [False, False])
    pending, _ = await commit(connection, patience=60)
    assert isinstance(pending.future.exception(), DuplicateEvent)


async def test_what_stays_unknown_is_told_as_unknown() -> None:
    pending, _ = await commit(Misfortunes([lost()], []), patience=0)
    error = pending.future.exception()
    assert isinstance(error, StoreUnavailable)
    assert error.stored is None
