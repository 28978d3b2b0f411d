"""Appending within a transaction of the caller."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import asyncpg

from chekov.backoff import Backoff
from chekov.errors import DuplicateEvent, InvalidAppend, StoreError, StoreUnavailable
from chekov.store.conditions import keeping
from chekov.store.port import Appended, NoneSince, StreamAppend
from chekov.store.postgres.append.batch import Pending, columns
from chekov.store.postgres.append.conditions import checks, failures
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.errors import Fault, fault_of, repeated_id
from chekov.store.postgres.listener import events_channel
from chekov.store.postgres.schema import Schema
from chekov.store.validation import check_append, check_conditions

_TRIES: Final = 10
_ISOLATION: Final = "read committed"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def append_in_transaction(
    connection: DriverConnection,
    schema: Schema,
    append: StreamAppend,
    command_id: UUID | None,
    condition: NoneSince | None = None,
    unchanged: Mapping[str, int] | None = None,
) -> Appended:
    """Append within a transaction; see `ReadModels.append_in_transaction`."""
    check_conditions(condition, unchanged)
    append = append._replace(events=keeping(append.events, condition, unchanged))
    size = check_append(*append)
    statements = schema.statements("events")
    isolation = await connection.fetchval(statements["isolation"])
    if isolation != _ISOLATION:
        raise StoreError(
            f"append_in_transaction needs the isolation level {_ISOLATION!r}, this transaction has "
            f"{isolation!r} and would not see what others have appended"
        )
    pending = Pending(*append, size, command_id, condition, unchanged)
    before, stamp, [outcome], failed = await _insert(connection, statements, pending)
    if outcome < 0:
        raise pending.refusal(outcome, failures(failed).get(1))
    appended = pending.appended_at(before, outcome, _EPOCH + timedelta(microseconds=stamp))
    # Postgres delivers it when the transaction commits.
    await connection.execute(
        statements["notify"], events_channel(schema.name), str(appended.position)
    )
    return appended


async def _insert(
    connection: DriverConnection, statements: Mapping[str, LiteralString], pending: Pending
) -> Any:
    values = columns([[pending]])
    statement, more = "append_in_transaction", ()
    if not pending.is_plain:
        found = checks([[pending]])
        statement, more = (
            "append_checked_in_transaction",
            found._replace(tag_keys=_texts(found.tag_keys), anchors=_texts(found.anchors)),
        )
    texts = values._replace(
        command_id=_texts(values.command_id),
        ids=_texts(values.ids),
        correlation_ids=_texts(values.correlation_ids),
        causation_ids=_texts(values.causation_ids),
        times=_texts(values.times),
    )
    backoff = Backoff()
    for _ in range(_TRIES):
        try:
            # A savepoint, so that an error leaves the caller's transaction usable.
            async with connection.transaction():
                return await connection.fetchrow(statements[statement], *texts, *more)
        except asyncpg.UniqueViolationError as error:
            if fault_of(error) is not Fault.BUSY:
                raise DuplicateEvent(repeated_id(error)) from error
        except asyncpg.SerializationError:
            pass
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError) as error:
            raise InvalidAppend(f"append to {pending.stream!r}: {error}") from error
        # A lone writer, which takes no append lock, stored an event first.
        await backoff.wait()
    raise StoreUnavailable(
        f"append to {pending.stream!r}: another writer came first {_TRIES} times; try again"
    )


def _texts(values: Sequence[object] | None) -> Any:
    return None if values is None else [None if item is None else str(item) for item in values]
