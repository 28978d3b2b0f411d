"""The store in Postgres: opens its parts and ties them together."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Self
from uuid import UUID

from chekov.errors import StoreClosed
from chekov.store.links import linkable, new_link
from chekov.store.port import (
    Appended,
    Expected,
    ExpectedVersion,
    NewEvent,
    RecordedEvent,
    StreamAppend,
)
from chekov.store.postgres.append.append_in_transaction import append_on
from chekov.store.postgres.append.batch_sender import OnBatch
from chekov.store.postgres.append.committer import Committer
from chekov.store.postgres.connection_options import (
    STATEMENT_SECONDS,
    Connection,
    ConnectionOptions,
)
from chekov.store.postgres.connections import Database
from chekov.store.postgres.errors import Translator
from chekov.store.postgres.keys import Keys
from chekov.store.postgres.listener import Listener
from chekov.store.postgres.migrator import migrate as migrate_schema
from chekov.store.postgres.migrator import needed_version, verify
from chekov.store.postgres.polling_listener import PollingListener
from chekov.store.postgres.reader import Reader
from chekov.store.postgres.snapshots import PostgresSnapshots
from chekov.store.postgres.statements import check_schema, statements
from chekov.store.postgres.stream_deletion import StreamDeletion
from chekov.store.postgres.subscriptions import PostgresSubscriptions
from chekov.store.validation import check_link


class PostgresStore(Reader, PostgresSubscriptions, StreamDeletion, PostgresSnapshots, Keys):
    """Events and subscriptions in a schema of a Postgres database.

    Args:
        dsn: where the database is, as a `postgresql://` URL.
        schema: holds the store's tables; several stores may share a database.
        pool_size: most connections for reading and for subscriptions; two more are used for
            appends and notifications.
        migrate: bring the schema up to date when opening; `False` only checks it.
        on_batch: called after each statement of appends with their number, the number of events
            and the seconds it took. It must not raise or block.
        patience: how long calls wait for a database that is away, in seconds.
        pooled: the DSN leads to a pooler in transaction mode, such as PgBouncer.
        statement_timeout: seconds after which Postgres gives up one of the store's own statements;
            half of it is the longest wait for a lock. Behind a pooler, set it for the role.
    """

    def __init__(
        self,
        dsn: str,
        *,
        schema: str = "chekov",
        pool_size: int = 10,
        migrate: bool = True,
        on_batch: OnBatch | None = None,
        patience: float = 10.0,
        pooled: bool = False,
        statement_timeout: float = STATEMENT_SECONDS,
    ) -> None:
        translator = Translator(dsn, check_schema(schema), needed_version())
        access = ConnectionOptions(dsn, pooled, statement_timeout)
        database = Database(access, schema, translator, size=pool_size, patience=patience)
        Reader.__init__(self, database)
        PostgresSubscriptions.__init__(self, database)
        StreamDeletion.__init__(self, database)
        PostgresSnapshots.__init__(self, database)
        Keys.__init__(self, database)
        self._sql = statements("events", schema)
        self._migrate = migrate
        self._on_batch = on_batch
        self._entered = 0
        self._stack = AsyncExitStack()
        self._committer: Committer | None = None
        self._listener: Listener | None = None

    async def __aenter__(self) -> Self:
        """Open the store.

        Raises:
            SchemaMismatch: the schema is newer than this code; without `migrate` also older.
            StoreUnavailable: the database cannot be reached.
            StoreError: it refuses us, or the DSN cannot be understood.
        """
        if not self._entered:
            async with AsyncExitStack() as stack:
                await self._open(stack)
                self._stack = stack.pop_all()
        self._entered += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._entered -= 1
        if not self._entered:
            await self._stack.aclose()

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        """Store all of `events` at the end of `stream`, or none."""
        if self._committer is None:
            raise _closed()
        return await self._committer.append(stream, events, expected, command_id)

    async def append_together(self, appends: Sequence[StreamAppend]) -> Sequence[Appended]:
        """Store appends to several streams: all of them or none."""
        if self._committer is None:
            raise _closed()
        return await self._committer.append_together(appends)

    async def append_on(
        self,
        connection: Connection,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        """Append within a transaction of the caller's, to commit with what else it writes.

        It holds the store's turn until that transaction ends: all other appends wait so long. The
        transaction has to be `read committed`, as is the default. A refusal leaves it usable.

        Args:
            connection: of asyncpg, inside a transaction, to the store's database.
            stream: as in `append`, which raises the same errors.
            events: as in `append`.
            expected: as in `append`.
            command_id: as in `append`.

        Raises:
            StoreError: as `append`, or the transaction is of another isolation level.
            StoreUnavailable: other writers came first too often; the transaction is usable.
            asyncpg.PostgresError: the connection fails, or the database refuses the statement; the
                transaction is over.
            asyncpg.InterfaceError: the connection was closed, or is at work elsewhere.
        """
        append = StreamAppend(stream, events, expected)
        schema = self._database.schema
        return await append_on(connection, schema, self._sql, append, command_id)

    async def link(
        self, stream: str, positions: Sequence[int], *, expected: ExpectedVersion = Expected.ANY
    ) -> Appended:
        """Let events appear in another stream too."""
        if self._committer is None:
            raise _closed()
        check_link(stream, positions)
        found = await self.at_positions(positions)
        links = [new_link(stream, linkable(found.get(at), at)) for at in positions]
        return await self._committer.append(stream, links, expected, own=True)

    async def delete_stream(
        self, stream: str, *, expected: ExpectedVersion = Expected.ANY, erase: bool = False
    ) -> int:
        """End a stream, and erase it when asked to."""
        position = await super().delete_stream(stream, expected=expected, erase=erase)
        if self._listener is not None:
            if erase:
                self._listener.forget()
            self._listener.heard(position)
        return position

    async def truncate_stream(self, stream: str, *, before: int, erase: bool = False) -> None:
        """Let a stream begin at the version `before`, and erase what comes before it if asked."""
        await super().truncate_stream(stream, before=before, erase=erase)
        if self._listener is not None and erase:
            self._listener.forget()

    async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
        """Wait until there is something above `position`."""
        if self._listener is None:
            raise _closed()
        return await self._listener.changed(position, wait_for)

    async def freed(self, seen: int, wait_for: float) -> int:
        """Wait until a subscription may have become free."""
        if self._listener is None:
            raise _closed()
        return await self._listener.freed(seen, wait_for)

    async def forgotten(self, seen: int, wait_for: float) -> int:
        """Wait until keys may have been taken away."""
        if self._listener is None:
            raise _closed()
        heard = self._listener.forgettings
        number = 1 + await self.count_forgotten()
        if seen and number <= seen:
            await self._listener.forgotten(heard, wait_for)
            number = 1 + await self.count_forgotten()
        return number

    async def _open(self, stack: AsyncExitStack) -> None:
        database = self._database
        if self._migrate:
            await migrate_schema(database.access.dsn, database.schema, patience=database.patience)
        await stack.enter_async_context(database.opened())
        if not self._migrate:
            async with database.lent() as connection:
                await verify(connection, database.schema)
        access = database.access
        sql = statements("events", database.schema, pooled=access.pooled)
        kind = PollingListener if access.pooled else Listener
        listener = kind(access, database.schema, sql)
        committer = Committer(
            database,
            sql,
            committed=listener.committed,
            alone=listener.alone,
            on_batch=self._on_batch,
        )
        group = await stack.enter_async_context(asyncio.TaskGroup())
        listening = group.create_task(listener.run())
        committing = group.create_task(committer.run())
        self._listener = listener
        self._committer = committer

        async def close() -> None:
            self._committer = self._listener = None
            committer.close()
            listener.close()
            try:
                await asyncio.wait([committing])
            finally:
                committing.cancel()
                listening.cancel()

        stack.push_async_callback(close)


def _closed() -> StoreClosed:
    return StoreClosed("the store is not open: use it inside `async with store:`")
