"""What becomes of appends when one error follows another."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg

from chekov.errors import DuplicateEvent, StoreUnavailable
from chekov.store.port import NewEvent, RecordedEvent
from chekov.store.postgres.append.append_connection import AppendConnection, Sent
from chekov.store.postgres.append.batch import Group, Pending
from chekov.store.postgres.append.batch_sender import BatchSender
from chekov.store.postgres.append.head_cache import HeadCache
from chekov.store.postgres.pool import PostgresPool
from chekov.store.postgres.schema import Schema
from chekov.watermark import Watermark

NOW = datetime(2024, 1, 1, tzinfo=UTC)


class ScriptedConnection(AppendConnection):
    """A connection whose calls have given outcomes: an error, or whether an append is stored."""

    def __init__(
        self, schema: Schema, sends: Sequence[Exception], lookups: Sequence[Exception | bool]
    ) -> None:
        super().__init__(schema, HeadCache(lambda: 1), lambda: None, lambda: False)
        self.sends = list(sends)
        self.lookups = list(lookups)

    async def send(
        self, groups: Sequence[Group], *, together: bool = False, lone: bool = False
    ) -> Sent:
        raise self.sends.pop(0)

    async def find(self, pending: Pending) -> Sequence[RecordedEvent]:
        outcome = self.lookups.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return pending.succeed(pending.appended_at(6, 2, NOW)) if outcome else ()

    def is_connected(self) -> bool:
        return True


def lost() -> Exception:
    return asyncpg.ConnectionDoesNotExistError("gone")


def taken() -> Exception:
    return asyncpg.UniqueViolationError("taken")


async def send(
    sends: Sequence[Exception], lookups: Sequence[Exception | bool], *, patience: float = 60
) -> tuple[Pending, list[RecordedEvent], ScriptedConnection]:
    committed: list[RecordedEvent] = []
    schema = Schema(PostgresPool("postgresql://x", patience=patience), "chekov", 1)
    sender = BatchSender(
        schema,
        committed=lambda recorded, _: committed.extend(recorded),
        others=lambda recorded, _: committed.extend(recorded),
        drops=Watermark(),
        on_batch=None,
        gave_up=lambda _: None,
    )
    connection = ScriptedConnection(schema, sends, lookups)
    pending = Pending("a", [NewEvent(uuid4(), "t", b"{}")], 2, 2)
    await sender.send(connection, [[pending]])
    return pending, committed, connection


async def test_a_connection_lost_while_a_duplicate_is_looked_up_fails_no_append() -> None:
    """Sent, lost, not stored yet, sent again, stored by the first try, lost again, then found."""
    pending, committed, connection = await send([lost(), taken()], [False, lost(), True])
    assert pending.future.result().position == 7
    assert [event.position for event in committed] == [7]
    assert (connection.sends, connection.lookups) == ([], [])


async def test_an_id_that_another_append_stored_is_a_duplicate_after_all() -> None:
    pending, _, _ = await send([lost(), taken()], [False, False])
    assert isinstance(pending.future.exception(), DuplicateEvent)


async def test_an_outcome_that_stays_unknown_is_reported_as_unknown() -> None:
    pending, _, _ = await send([lost()], [], patience=0)
    error = pending.future.exception()
    assert isinstance(error, StoreUnavailable)
    assert error.stored is None


async def test_an_answer_is_reported_with_the_drops_before_it_was_sent() -> None:
    """Somebody may have erased what it brings along while it was on its way."""
    drops = Watermark(4)
    schema = Schema(PostgresPool("postgresql://x"), "chekov", 1)
    reported: list[tuple[str, int]] = []

    class Erased(ScriptedConnection):
        async def send(
            self, groups: Sequence[Group], *, together: bool = False, lone: bool = False
        ) -> Sent:
            drops.bump()
            [[pending]] = groups
            recorded = pending.succeed(pending.appended_at(6, 2, NOW))
            return Sent(recorded, (), recorded)

        async def find(self, pending: Pending) -> Sequence[RecordedEvent]:
            drops.bump()
            return pending.succeed(pending.appended_at(6, 2, NOW))

    sender = BatchSender(
        schema,
        committed=lambda _, before: reported.append(("committed", before)),
        others=lambda _, before: reported.append(("others", before)),
        drops=drops,
        on_batch=None,
        gave_up=lambda _: None,
    )
    for uncertain in (False, True):
        pending = Pending("a", [NewEvent(uuid4(), "t", b"{}")], 2, 2)
        pending.uncertain = uncertain
        await sender.send(Erased(schema, [], []), [[pending]])
    assert reported == [("others", 4), ("committed", 4), ("committed", 5)]
