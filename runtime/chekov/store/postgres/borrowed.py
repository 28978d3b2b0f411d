"""Appending within a transaction that is somebody else's."""

from collections.abc import Mapping
from typing import Any, Final, LiteralString
from uuid import UUID

import asyncpg

from chekov.errors import DuplicateEvent, InvalidAppend
from chekov.store.checks import check_append
from chekov.store.port import Appended, StreamAppend
from chekov.store.postgres.access import Connection
from chekov.store.postgres.batch import Pending, many, refusal
from chekov.store.postgres.errors import Fault, fault_of, repeated_id
from chekov.store.postgres.listener import events_channel

_TRIES: Final = 10


async def append_on(
    connection: Connection,
    schema: str,
    statements: Mapping[str, LiteralString],
    append: StreamAppend,
    once: UUID | None,
) -> Appended:
    """Store an append when the connection's transaction commits; see `PostgresStore.append_on`."""
    size = check_append(*append)
    pending = Pending(*append[:2], append.expected, size, once)
    before, stamp, [outcome] = await _insert(connection, statements, pending)
    if outcome < 0:
        raise refusal(append.stream, append.expected, once, outcome)
    appended = pending.stored(before, outcome, stamp)
    # Heard when the transaction commits.
    await connection.execute(statements["notify"], events_channel(schema), str(appended.position))
    return appended


async def _insert(
    connection: Connection, statements: Mapping[str, LiteralString], pending: Pending
) -> Any:
    tries = 0
    while True:
        tries += 1
        try:
            # An error inside it leaves the caller's transaction usable.
            async with connection.transaction():
                return await connection.fetchrow(statements["append_many"], *many([[pending]]))
        except asyncpg.UniqueViolationError as error:
            if fault_of(error) is not Fault.BUSY:
                raise DuplicateEvent(repeated_id(error)) from error
            # A lone writer, which takes no turns, came first.
            if tries == _TRIES:
                raise
        except (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError) as error:
            raise InvalidAppend(f"append to {pending.stream!r}: {error}") from error
