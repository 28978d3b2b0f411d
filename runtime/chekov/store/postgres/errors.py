"""The errors of Postgres and asyncpg: classified, and translated into the store's own."""

from enum import Enum, auto
from typing import Final

import asyncpg

from chekov.errors import ChekovError, SchemaMismatch, StoreError, StoreUnavailable
from chekov.store.postgres import tls
from chekov.store.postgres.dsn import secrets_of


class Fault(Enum):
    """What an error means for the statement and for the connection."""

    LOST = auto()
    """The connection is lost or useless: the statement may or may not have taken effect."""
    BUSY = auto()
    """The statement had no effect, and may succeed in a moment."""
    REJECTED_VALUE = auto()
    """The statement had no effect, because of its values."""
    SCHEMA = auto()
    """The statement had no effect: tables or functions are missing."""
    REFUSED = auto()
    """The statement had no effect, and will have none until the database is changed."""


_PLACES: Final = ("events_position", "events_version", "streams_name")
"""The constraints that are violated when another writer was first, or the head cache was stale."""

_ENDS: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
)

_UNDONE: Final = (asyncpg.ReadOnlySQLTransactionError, asyncpg.InvalidCachedStatementError)
"""The connection is useless, but the statement had no effect."""

_TROUBLES: Final = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidCachedStatementError,
)
"""Read-only, out of disk, memory or connections, failing to read and write its files, or with a
table that was altered since the connection prepared the statement."""

_FAULTS: Final[tuple[tuple[Fault, tuple[type[BaseException], ...]], ...]] = (
    (
        Fault.SCHEMA,
        (
            asyncpg.UndefinedTableError,
            asyncpg.UndefinedFunctionError,
            asyncpg.UndefinedColumnError,
            asyncpg.InvalidSchemaNameError,
        ),
    ),
    (
        Fault.BUSY,
        (
            asyncpg.SerializationError,
            asyncpg.DeadlockDetectedError,
            asyncpg.LockNotAvailableError,
            asyncpg.InsufficientResourcesError,
            asyncpg.QueryCanceledError,
        ),
    ),
    (
        Fault.LOST,
        (
            *_ENDS,
            *_UNDONE,
            OSError,
            TimeoutError,
            EOFError,
        ),
    ),
    (
        Fault.REJECTED_VALUE,
        (
            asyncpg.DataError,
            asyncpg.IntegrityConstraintViolationError,
            asyncpg.RaiseError,
            asyncpg.ProgramLimitExceededError,
            asyncpg.CharacterNotInRepertoireError,
            ValueError,
            TypeError,
            AttributeError,
        ),
    ),
)


DATABASE_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What asyncpg raises when Postgres, or the network, is at fault."""


def repeated_id(error: asyncpg.UniqueViolationError) -> str | None:
    """The event id that is stored already, if the error names it."""
    return str(error.detail).partition("(id)=(")[2].partition(")")[0] or None


def fault_of(error: BaseException) -> Fault:
    """Classify an error."""
    if isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name in _PLACES:
        return Fault.BUSY
    if isinstance(error, OSError | asyncpg.ProtocolViolationError) and _advice(error):
        return Fault.REFUSED
    for fault, kinds in _FAULTS:
        if isinstance(error, kinds):
            return fault
    # asyncpg raises its general error for the use of a closed connection.
    if isinstance(error, asyncpg.InterfaceError):
        return Fault.LOST
    return Fault.REFUSED


def leaves_doubt(error: BaseException) -> bool:
    """Whether a statement that failed with this error may have taken effect nevertheless."""
    return fault_of(error) is Fault.LOST and not isinstance(error, _UNDONE)


def ends_connection(error: BaseException) -> bool:
    """Whether Postgres closes the connection with this error."""
    return isinstance(error, _ENDS)


def is_database_trouble(error: BaseException) -> bool:
    """Whether the database refused a statement for its own sake, and will not do so for ever."""
    return isinstance(error, _TROUBLES) and not isinstance(
        error, asyncpg.ConfigurationLimitExceededError
    )


class Translator:
    """Translates errors into the store's, without the password of the DSN."""

    def __init__(self, dsn: str, schema: str, needed: int) -> None:
        self._secrets = secrets_of(dsn)
        self._schema = schema
        self._needed = needed

    def store_error(self, error: BaseException, *, stored: bool | None = False) -> ChekovError:
        """The error to raise `from` this one; `stored` is the outcome of an append, if known."""
        if isinstance(error, ChekovError):
            return error
        fault = fault_of(error)
        if fault is Fault.SCHEMA:
            return SchemaMismatch(self._schema, 0, self._needed)
        if fault in (Fault.LOST, Fault.BUSY):
            return self.unavailable(error, stored=stored)
        advice = _advice(error)
        return StoreError(
            f"Postgres refused: {self._clean(error)}" + (f"; {advice}" if advice else "")
        )

    def unavailable(self, error: BaseException, *, stored: bool | None = False) -> StoreUnavailable:
        """The error of a database that is away."""
        if isinstance(error, StoreUnavailable):
            return error
        return StoreUnavailable(f"Postgres cannot be used now: {self._clean(error)}", stored=stored)

    def _clean(self, error: BaseException) -> str:
        text = str(error) or type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text


def _advice(error: BaseException) -> str | None:
    if isinstance(error, asyncpg.ProtocolViolationError) and "startup parameter" in str(error):
        return (
            "this is a connection pooler: set CHEKOV_STORE_POOLED=true, or `pooled=True` of the "
            "store"
        )
    return tls.advice(error)
