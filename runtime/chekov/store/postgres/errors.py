"""What goes wrong with Postgres, in the store's own errors: the one place that translates."""

from enum import Enum, auto
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from chekov.errors import ChekovError, SchemaMismatch, StoreError, StoreUnavailable
from chekov.store.postgres import tls


class Fault(Enum):
    """What an error says about the statement and about the connection."""

    LOST = auto()
    """The connection is gone or useless: what was under way may or may not have happened."""
    BUSY = auto()
    """Nothing happened; the same statement may succeed in a moment."""
    REJECTED_VALUE = auto()
    """Nothing happened, because of the values that were sent."""
    SCHEMA = auto()
    """Nothing happened: tables or functions are missing."""
    REFUSED = auto()
    """Nothing happened, and nothing will until somebody changes the database."""


_PLACES: Final = ("events_position", "events_version", "streams_name")
"""Constraints that are violated when another writer came first, or what was known was not so."""

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
"""The connection is useless, but Postgres says that it did nothing."""

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
"""All that asyncpg raises when Postgres or the way to it is at fault."""


def repeated_id(error: asyncpg.UniqueViolationError) -> str | None:
    """The event id that is stored already, as far as the error tells it."""
    return str(error.detail).partition("(id)=(")[2].partition(")")[0] or None


def fault_of(error: BaseException) -> Fault:
    """What kind of error this is."""
    if isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name in _PLACES:
        return Fault.BUSY
    if isinstance(error, OSError | asyncpg.ProtocolViolationError) and _advice(error):
        return Fault.REFUSED
    for fault, kinds in _FAULTS:
        if isinstance(error, kinds):
            return fault
    # asyncpg says so with its general error when it is asked to use a connection that is gone.
    if isinstance(error, asyncpg.InterfaceError):
        return Fault.LOST
    return Fault.REFUSED


def leaves_doubt(error: BaseException) -> bool:
    """Whether a statement that ended so may have done its work all the same."""
    return fault_of(error) is Fault.LOST and not isinstance(error, _UNDONE)


def ends_connection(error: BaseException) -> bool:
    """Whether Postgres closes the connection with this error, whoever's statement it was."""
    return isinstance(error, _ENDS)


class Translator:
    """Turns errors into ours, without the password of the DSN in them."""

    def __init__(self, dsn: str, schema: str, needed: int) -> None:
        self._secrets = _secrets(dsn)
        self._schema = schema
        self._needed = needed

    def store_error(self, error: BaseException, *, stored: bool | None = False) -> ChekovError:
        """The error to raise `from` this one; `stored` tells what became of an append."""
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
        """The error of a database that is away, whatever it looked like."""
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


def _secrets(dsn: str) -> tuple[str, ...]:
    try:
        password = urlsplit(dsn).password
    except ValueError:
        return (dsn,)
    return (dsn, password, unquote(password)) if password else (dsn,)
