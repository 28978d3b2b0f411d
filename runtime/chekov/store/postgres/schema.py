"""One schema of a database: the statements of the store in it, and how they are run."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from traceback import walk_tb
from typing import Any, Final, LiteralString, TypeVar, cast
from uuid import UUID

import asyncpg

from chekov.backoff import Backoff
from chekov.errors import AnotherStore, StoreUnavailable
from chekov.store.port import Claim, QueriesOverloaded
from chekov.store.postgres.claim_lock import lock_statement
from chekov.store.postgres.connection_cache import is_gone
from chekov.store.postgres.connection_options import (
    GRACE_SECONDS,
    LENT_SECONDS,
    QUERY_PATIENCE_SECONDS,
    DriverConnection,
)
from chekov.store.postgres.errors import (
    DATABASE_ERRORS,
    Fault,
    Translator,
    ends_connection,
    fault_of,
    is_database_trouble,
)
from chekov.store.postgres.lent_connection import LentConnection
from chekov.store.postgres.pool import PostgresPool
from chekov.store.postgres.statements import SqlFile, check_schema, statements

T = TypeVar("T")

_LATE: Final = (TimeoutError, StoreUnavailable)


async def patiently(
    work: Callable[[], Awaitable[T]], *, patience: float, translator: Translator
) -> T:
    """Do `work`, and repeat it while the database is away.

    Raises:
        StoreUnavailable: it was away for `patience` seconds.
        StoreError: it refuses.
    """
    deadline = asyncio.get_running_loop().time() + patience
    backoff = Backoff()
    while True:
        try:
            return await work()
        except DATABASE_ERRORS as error:
            gone = fault_of(error) in (Fault.LOST, Fault.BUSY)
            if not gone or asyncio.get_running_loop().time() >= deadline:
                raise translator.store_error(error) from error
        await backoff.wait()


class Schema:
    """The schema of one store.

    Attributes:
        pool: connections to its database.
        name: of the schema.
        translator: turns Postgres's errors into the store's.
    """

    def __init__(self, pool: PostgresPool, name: str, needed_version: int) -> None:
        self.pool = pool
        self.name = check_schema(name)
        self.translator = Translator(pool.options.dsn, name, needed_version)
        self._store_id: UUID | None = None
        self._other_id: UUID | None = None
        self._statements: dict[SqlFile, Mapping[str, LiteralString]] = {}

    def statements(self, file: SqlFile) -> Mapping[str, LiteralString]:
        """The statements of `sql/<file>.sql`, by name."""
        found = self._statements.get(file)
        if found is None:
            found = statements(file, self.name, pooled=self.pool.options.pooled)
            self._statements[file] = found
        return found

    def adopt(self, store_id: UUID | None) -> None:
        """Take the store that is found when this one is opened; `None` before it is looked for."""
        self._store_id, self._other_id = store_id, None

    def recognize(self, store_id: UUID | None) -> None:
        """Check that a connection has found the store that was opened.

        Until one finds that store again, no statement is sent.

        Raises:
            AnotherStore: it has not.
        """
        self._other_id = None if store_id == self._store_id else store_id
        self._check_store()

    def _check_store(self) -> None:
        if self._other_id is not None:
            raise AnotherStore(
                f"the address of the database leads to the store {self._other_id}, and this "
                f"process has opened {self._store_id}: let it lead there again, or restart the "
                "process to use the other one"
            )

    async def fetch(self, sql: LiteralString, *values: object) -> Sequence[Any]:
        """The rows of a statement, which is repeated while the database is away."""
        self._check_store()
        cache, servers = self.pool.own, self.pool.servers

        async def fetch() -> Sequence[Any]:
            connection = await cache.acquire()
            generation = servers.generation
            try:
                return await connection.fetch(sql, *values)
            except DATABASE_ERRORS as error:
                servers.learn(error)
                if fault_of(error) is Fault.LOST:
                    # It may seem open, and lead to a replica after a fail-over.
                    _discard(connection)
                raise
            except asyncio.CancelledError:
                # Cancelling the statement properly never ends when the network is dead.
                _discard(connection)
                raise
            finally:
                if generation != servers.generation:
                    _discard(connection)
                await cache.release(connection)

        return await patiently(fetch, patience=self.pool.patience, translator=self.translator)

    @asynccontextmanager
    async def lent(
        self,
        *,
        readonly: bool = False,
        search_path: str | None = None,
        claim: Claim | None = None,
    ) -> AsyncGenerator[DriverConnection]:
        """Lend a connection inside a transaction, for statements of handlers and queries.

        Unqualified names resolve first in the database schema `search_path`. Errors of the
        statements are raised as they are, unless the connection itself is at fault. Those who only
        read are queries, with a share of the connections and a time-out of their own. Under a
        claim, the next owner can end the transaction.

        Raises:
            QueriesOverloaded: no connection of the queries' share was free in time.
            StoreUnavailable: no other connection was free in time, or it was lost.
        """
        self._check_store()
        async with (
            self._share(readonly=readonly),
            self._lend(readonly=readonly, search_path=search_path, claim=claim) as connection,
        ):
            yield connection

    @asynccontextmanager
    async def _share(self, *, readonly: bool) -> AsyncGenerator[None]:
        """Wait for one of the connections that handlers, or queries, may have."""
        pool = self.pool
        share = pool.queries if readonly else pool.handlers
        patience = min(pool.patience, QUERY_PATIENCE_SECONDS) if readonly else pool.patience
        try:
            async with asyncio.timeout(patience if share.locked() else None):
                await share.acquire()
        except TimeoutError as error:
            if readonly:
                raise QueriesOverloaded(patience) from error
            raise self.translator.store_error(error) from error
        try:
            yield
        finally:
            share.release()

    @asynccontextmanager
    async def _lend(
        self, *, readonly: bool, search_path: str | None, claim: Claim | None
    ) -> AsyncGenerator[DriverConnection]:
        servers = self.pool.servers
        pool = await self.pool.lent()
        try:
            connection = cast("DriverConnection", await pool.acquire(timeout=self.pool.patience))
        except DATABASE_ERRORS as error:
            raise self.translator.store_error(error) from error
        generation = servers.generation
        timeout = self.pool.query_timeout if readonly else None
        cast("LentConnection", connection).begin_with(
            search_path,
            timeout,
            "" if claim is None else lock_statement(self.name, claim),
            longest=(timeout or LENT_SECONDS) + GRACE_SECONDS,
        )
        failed: BaseException | None = None
        try:
            async with connection.transaction(readonly=readonly):
                try:
                    yield connection
                except BaseException as error:
                    failed = error
                    if isinstance(error, TimeoutError) and _is_silent(connection, error):
                        failed = self.translator.unavailable(error)
                    if isinstance(error, _LATE):
                        # The answer may come late or never: no other statement must wait for it.
                        _discard(connection)
                    raise
        except Exception as error:
            if isinstance(failed, _LATE) or not isinstance(failed, Exception | None):
                # The rollback failed too, which must not hide the cause.
                _discard(connection)
                raise failed from error
            if _is_at_fault(connection, error, late=failed is None, readonly=readonly):
                _discard(connection)
                for cause in _causes(error):
                    servers.learn(cause)
                raise self.translator.unavailable(error) from error
            raise
        finally:
            if generation != servers.generation:
                _discard(connection)
            # The transaction is over; a connection that breaks now is discarded.
            with suppress(*DATABASE_ERRORS):
                await pool.release(cast("Any", connection))


def _is_at_fault(
    connection: DriverConnection, error: Exception, *, late: bool, readonly: bool
) -> bool:
    """Whether the connection, not the user's statement, caused the error.

    A timeout counts only for the store's own statements (begin, commit). A database that is
    read-only, full or out of memory fails every handler alike, however the handler wraps the error.
    """
    overdue = isinstance(error, TimeoutError) and late
    return (
        overdue
        or ends_connection(error)
        or is_gone(connection)
        or any(
            is_database_trouble(cause)
            and not (readonly and isinstance(cause, asyncpg.ReadOnlySQLTransactionError))
            and _is_raised_by(connection, cause)
            for cause in _causes(error)
        )
    )


def _causes(error: BaseException | None) -> Generator[BaseException]:
    """An error and what caused it, however it is wrapped."""
    if error is None:
        return
    yield error
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _causes(inner)
    yield from _causes(error.__cause__ or error.__context__)


def _is_raised_by(connection: DriverConnection, error: BaseException) -> bool:
    """Whether a call on this connection raised the error, and not one on another database's."""
    inner = getattr(connection, "_con", connection)
    users = (frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__))
    return any(inner in (user, getattr(user, "_connection", None)) for user in users)


def _is_silent(connection: DriverConnection, error: TimeoutError) -> bool:
    """Whether Postgres did not even cancel the statement that took too long.

    A timeout that the user gave with the statement is a matter of the user's.
    """
    inner = getattr(connection, "_con", connection)
    for frame, _ in walk_tb(error.__traceback__):
        user = frame.f_locals.get("self")
        if inner in (user, getattr(user, "_connection", None)) and "timeout" in frame.f_locals:
            return frame.f_locals["timeout"] is None
    return False


def _discard(connection: DriverConnection) -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()
