"""How connections to a store's database are made: directly, or through a pooler such as PgBouncer.

A pooler in transaction mode lends a server's connection for one transaction at a time. So over it
nothing may outlive a transaction: no named statements, no settings, nobody who listens.
"""

import os
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from chekov.errors import StoreError
from chekov.store.postgres.errors import Translator

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 20.0
"""How long Postgres works on one of the store's own statements, unless set otherwise."""
GRACE_SECONDS: Final = 10.0
"""How long an answer may still take after Postgres should have given up."""
LENT_SECONDS: Final = 60.0
"""How long it works on one statement of a handler or query, and waits inside its transaction."""
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_CERTIFICATE: Final = (
    "if that goes on, the server may not trust the certificate that sslcert in the DSN names"
)
_TYPES: Final = """
select $1::text[], $2::integer[], $3::bigint[], $4::uuid[], $5::json[], $6::bytea[],
    $7::timestamptz[]
"""
_PLANNING: Final = {
    # One plan for each of our statements: making it costs more than running it. All of them find
    # their rows by an index and in its order, which a plan made while the tables were empty would
    # not do; and a page is too small to be shared.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


_ALIVE: Final = {
    # What a node that vanished had begun is given up after a minute, not after two hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class ConnectionOptions(NamedTuple):
    """Where a store's database is, and what a connection to it may do."""

    dsn: str
    pooled: bool = False
    """Whether a pooler in transaction mode is in between."""
    seconds: float = STATEMENT_SECONDS
    """After which Postgres gives up a statement; half of it is the longest wait for a lock."""

    def own(self, application: str) -> dict[str, Any]:
        """What asyncpg takes for a connection that runs the store's own statements."""
        limits = _limits(self.seconds, self.seconds / 2)
        return self._options(application, {**_PLANNING, **_ALIVE, **limits})

    def lent(self, application: str) -> dict[str, Any]:
        """What asyncpg takes for a connection that is lent to handlers and queries."""
        return self._options(application, _limits(LENT_SECONDS))

    def _options(self, application: str, settings: dict[str, str]) -> dict[str, Any]:
        if self.pooled:
            return _without_state(application)
        return {"server_settings": {**settings, "application_name": application}}


async def connect(access: ConnectionOptions, *, application: str) -> Connection:
    """A connection of our own, outside of the pool.

    Raises:
        StoreError: the DSN cannot be understood, or names files that cannot be read.
    """
    connection = await _connect(access.dsn, access.own(application))
    if access.pooled:
        try:
            await learn_types(connection)
        except BaseException:
            connection.terminate()
            raise
    return connection


async def connect_once(dsn: str, *, application: str) -> Connection:
    """A connection for a short piece of work, which every pooler lets pass.

    Raises:
        StoreError: the DSN cannot be understood, or names files that cannot be read.
    """
    return await _connect(dsn, _without_state(application))


async def learn_types(connection: Any) -> None:
    """Let asyncpg look up the types of our parameters, for which it changes a setting and back.

    That must happen on one of a pooler's connections, so within a transaction.
    """
    async with connection.transaction():
        await connection.prepare(_TYPES)


def check_files(dsn: str) -> None:
    """Refuse certificates that cannot be read, which would look like a database that is away.

    Raises:
        StoreError: names the file.
    """
    try:
        found = dict(parse_qsl(urlsplit(dsn).query))
    except ValueError as error:
        raise bad_dsn(dsn, error) from None
    for name in _FILES:
        path = found.get(name)
        if path and not os.access(path, os.R_OK):
            reason = "cannot be read by this user" if Path(path).exists() else "does not exist"
            raise StoreError(f"{name} in the DSN of the store names {path}, which {reason}")


def bad_dsn(dsn: str, error: BaseException) -> StoreError:
    """The error of a DSN that cannot be understood, without its password."""
    text = str(Translator(dsn, "", 0).store_error(error))
    return StoreError(f"the DSN of the store cannot be understood: {text}")


async def _connect(dsn: str, options: dict[str, Any]) -> Connection:
    check_files(dsn)
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_SECONDS, **options)
    except asyncpg.ConnectionDoesNotExistError as error:
        # With TLS 1.3 a server refuses a client's certificate when the connection is made already.
        if "sslcert" in dsn:
            raise ConnectionError(f"{error}; {_CERTIFICATE}") from error
        raise
    except asyncpg.ClientConfigurationError as error:
        raise bad_dsn(dsn, error) from None
    except ValueError as error:
        # A certificate that cannot be trusted is one, too.
        if isinstance(error, OSError):
            raise
        raise bad_dsn(dsn, error) from None


def _without_state(application: str) -> dict[str, Any]:
    return {"server_settings": {"application_name": application}, "statement_cache_size": 0}


def _limits(statement: float, lock: float = 0) -> dict[str, str]:
    milliseconds = str(round(statement * 1000))
    return {
        "statement_timeout": milliseconds,
        "lock_timeout": str(round(lock * 1000)),
        "idle_in_transaction_session_timeout": milliseconds,
    }
