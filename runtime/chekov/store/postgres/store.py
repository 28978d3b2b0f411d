"""The store in Postgres: one object per role over one database."""

from contextlib import AsyncExitStack
from typing import Self

from chekov.store.delegating import DelegatingEventStore
from chekov.store.postgres.background import BackgroundTasks
from chekov.store.postgres.connection_options import STATEMENT_SECONDS, ConnectionOptions
from chekov.store.postgres.connections import Database
from chekov.store.postgres.errors import Translator
from chekov.store.postgres.event_store import PostgresEventStore
from chekov.store.postgres.keys import PostgresKeys
from chekov.store.postgres.migrator import migrate as migrate_schema
from chekov.store.postgres.migrator import needed_version, verify
from chekov.store.postgres.read_models import PostgresReadModels
from chekov.store.postgres.snapshots import PostgresSnapshots
from chekov.store.postgres.statements import check_schema, statements
from chekov.store.postgres.streams import PostgresStreams
from chekov.store.postgres.subscriptions import PostgresSubscriptions


class PostgresStore(DelegatingEventStore):
    """Events and subscriptions in a schema of a Postgres database.

    Args:
        dsn: where the database is, as a `postgresql://` URL.
        schema: holds the store's tables; several stores may share a database.
        pool_size: most connections for reading and for subscriptions; two more are used for
            appends and notifications.
        migrate: bring the schema up to date when opening; `False` only checks it.
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
        patience: float = 10.0,
        pooled: bool = False,
        statement_timeout: float = STATEMENT_SECONDS,
    ) -> None:
        translator = Translator(dsn, check_schema(schema), needed_version())
        access = ConnectionOptions(dsn, pooled, statement_timeout)
        database = Database(access, schema, translator, size=pool_size, patience=patience)
        sql = statements("events", schema, pooled=pooled)
        background = BackgroundTasks(database, sql)
        events = PostgresEventStore(database, sql, background)
        self.events = events
        self.streams = PostgresStreams(database, sql, events, background)
        self.subscriptions = PostgresSubscriptions(database, background)
        self.read_models = PostgresReadModels(database, sql)
        self.snapshots = PostgresSnapshots(database)
        self.keys = PostgresKeys(database, background)
        self.reporting_commits = background.reporting_commits
        self._database = database
        self._background = background
        self._migrate = migrate
        self._entered = 0
        self._stack = AsyncExitStack()

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

    async def ping(self) -> None:
        """Return when the database answers."""
        await self.events.head()

    async def _open(self, stack: AsyncExitStack) -> None:
        database = self._database
        if self._migrate:
            await migrate_schema(database.access.dsn, database.schema, patience=database.patience)
        await stack.enter_async_context(database.connected())
        if not self._migrate:
            async with database.lent() as connection:
                await verify(connection, database.schema)
        await stack.enter_async_context(self._background.running())
