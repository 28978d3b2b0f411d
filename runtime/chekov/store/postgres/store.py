"""The store in Postgres: one object per role over one database."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Self

from chekov.errors import StoreUnavailable
from chekov.store.changes import Changes, Topic
from chekov.store.delegating import DelegatingEventStore
from chekov.store.port import RecordedEvent
from chekov.store.postgres.append.committer import APPENDS
from chekov.store.postgres.background import BackgroundTasks
from chekov.store.postgres.connection_options import QUERY_SECONDS, STATEMENT_SECONDS
from chekov.store.postgres.event_store import PostgresEventStore
from chekov.store.postgres.figures import PostgresFigures
from chekov.store.postgres.keys import PostgresKeys
from chekov.store.postgres.layouts import PostgresLayouts
from chekov.store.postgres.migrator import migrate as migrate_schema
from chekov.store.postgres.migrator import needed_version, verify
from chekov.store.postgres.nodes import PostgresNodes
from chekov.store.postgres.pool import PATIENCE_SECONDS, POOL_SIZE, PostgresPool
from chekov.store.postgres.processes import PostgresProcesses
from chekov.store.postgres.read_models import PostgresReadModels
from chekov.store.postgres.schedules import PostgresSchedules
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.snapshots import PostgresSnapshots
from chekov.store.postgres.streams import PostgresStreams
from chekov.store.postgres.subscriptions import PostgresSubscriptions
from chekov.store.postgres.tag_index import PostgresTagIndex
from chekov.store.tail import Tail
from chekov.store.troubles import Troubles


class PostgresStore(DelegatingEventStore):
    """A store in a schema of a Postgres database.

    Args:
        database: where it is: a `postgresql://` URL, or a pool, which several stores may share.
        schema: holds the store's tables.
        migrate: bring the schema up to date when opening; `False` only checks it.
        pool_size: of a URL, see `PostgresPool`, as are the following.
        patience: how long calls wait for a database that is away, in seconds.
        pooled: the URL leads to a pooler in transaction mode, such as PgBouncer.
        statement_timeout: seconds after which Postgres cancels a statement of the store.
        query_timeout: seconds after which Postgres cancels a statement of a query.
        read_only: only read, over connections by which the server refuses writes, and hear of
            nothing new; a schema is not migrated then.
        background: append, and hear of what others do. Without it, as for a program that only looks
            after subscriptions, the store has no connection of its own but those of the pool, and
            everything works that neither appends nor deletes nor waits.
    """

    def __init__(
        self,
        database: str | PostgresPool,
        *,
        schema: str = "chekov",
        migrate: bool = True,
        pool_size: int = POOL_SIZE,
        patience: float = PATIENCE_SECONDS,
        pooled: bool = False,
        statement_timeout: float = STATEMENT_SECONDS,
        query_timeout: float = QUERY_SECONDS,
        read_only: bool = False,
        background: bool = True,
    ) -> None:
        if isinstance(database, str):
            database = PostgresPool(
                database,
                size=pool_size,
                patience=patience,
                pooled=pooled,
                statement_timeout=statement_timeout,
                query_timeout=query_timeout,
                read_only=read_only,
            )
        self.changes = Changes()
        self.tail = Tail(self._read, head=self.changes.events, drops=self.changes.keys)
        self._schema = Schema(database, schema, needed_version())
        self._troubles = Troubles()
        self._background = BackgroundTasks(self._schema, self.changes, self.tail, self._troubles)
        events = PostgresEventStore(self._schema, self._background)
        self.events = events
        self.streams = PostgresStreams(self._schema, events, self._background, self.tail)
        self.subscriptions = PostgresSubscriptions(self._schema)
        self.layouts = PostgresLayouts(self._schema)
        self.nodes = PostgresNodes(self._schema, self._troubles)
        self.figures = PostgresFigures(self._schema)
        self.processes = PostgresProcesses(self._schema)
        self.schedules = PostgresSchedules(self._schema)
        self.read_models = PostgresReadModels(self._schema)
        self.snapshots = PostgresSnapshots(self._schema)
        self.tag_index = PostgresTagIndex(self._schema)
        self.keys = PostgresKeys(self._schema)
        self.reporting_commits = self._background.reporting_commits
        self._has_background = background and not read_only
        self._migrate = migrate and not read_only
        self._entered = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the store.

        Raises:
            SchemaMismatch: the schema is newer than this code, or older if `migrate` is `False`.
            StoreUnavailable: the database cannot be reached.
            StoreError: the database refuses, or the DSN is invalid.
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

    async def wait(self, topic: Topic, seen: int, timeout: float) -> int:
        """Wait for a change; see `Store.wait`."""
        self._background.check_open()
        value = await self.changes.wait(topic, seen, timeout)
        self._background.check_open()
        return value

    async def ping(self) -> None:
        """Return when the database answers, and takes what is appended."""
        await self.events.head()
        if reason := self._troubles.of(APPENDS):
            raise StoreUnavailable(f"{APPENDS}: {reason}", stored=False)

    @property
    def troubles(self) -> Sequence[str]:
        """What keeps background tasks from their work."""
        return self._troubles.sentences

    async def _read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        return await self.events.read_page(after=after, limit=limit)

    async def _open(self, stack: AsyncExitStack) -> None:
        pool = self._schema.pool
        self._schema.adopt(None)
        if self._migrate:
            await migrate_schema(pool.options.dsn, self._schema.name, patience=pool.patience)
        await stack.enter_async_context(pool)
        if not self._migrate:
            async with self._schema.lent() as connection:
                await verify(connection, self._schema.name)
        [(head, _, _, store_id)] = await self._schema.fetch(
            self._schema.statements("events")["log"], 0
        )
        self._schema.adopt(store_id)
        self.tail.reset(head)
        if self._has_background:
            await stack.enter_async_context(self._background.running())
