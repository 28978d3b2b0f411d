"""How connections to a store's database are made: directly, or through a pooler such as PgBouncer.

A pooler in transaction mode assigns a server connection to each transaction. So nothing may outlive
a transaction: neither prepared statements nor settings nor LISTEN.
"""

import json
import socket
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from chekov.errors import StoreError
from chekov.serialization.json import to_json
from chekov.store.postgres.dsn import check_dsn
from chekov.store.postgres.errors import Translator
from chekov.store.postgres.tls import REFUSES_TLS

DriverConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 20.0
"""The default timeout of the store's own statements."""
GRACE_SECONDS: Final = 10.0
"""How much later an answer may come than the timeout of its statement."""
LENT_SECONDS: Final = 60.0
"""The timeout of a statement of a handler or query, and of idling in its transaction."""
QUERY_SECONDS: Final = 10.0
"""The default timeout of a statement of a query."""
QUERY_PATIENCE_SECONDS: Final = 2.0
"""How long a query waits for a connection."""
_CERTIFICATE: Final = (
    "if that goes on, the server may not trust the certificate that sslcert in the DSN names"
)
_TYPES: Final = """
select $1::text[], $2::integer[], $3::bigint[], $4::uuid[], $5::json[], $6::bytea[],
    $7::timestamptz[]
"""
_PLANNING: Final = {
    # One plan per statement: planning costs more than running. Every statement finds its rows by an
    # index and in its order, which a plan made while the tables were empty would not do; and a page
    # is too small for parallel workers.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


_ALIVE: Final = {
    # The transactions of a vanished node end after a minute instead of two hours.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


_TCP_OPTIONS: Final = {
    # A silent peer is noticed after half a minute, instead of a quarter of an hour.
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 30_000,
}


class ConnectionOptions(NamedTuple):
    """Where a store's database is, and the settings of connections to it."""

    dsn: str
    pooled: bool = False
    """Whether the DSN leads to a pooler in transaction mode."""
    seconds: float = STATEMENT_SECONDS
    """The timeout of a statement; half of it is the longest wait for a lock."""
    read_only: bool = False
    """Whether the server is to refuse writes; a pooler cannot be asked for that."""

    def own(self, application: str) -> dict[str, Any]:
        """Asyncpg's options for a connection that runs the store's own statements."""
        limits = _limits(self.seconds, self.seconds / 2)
        return self._options(application, {**_PLANNING, **_ALIVE, **limits})

    def lent(self, application: str) -> dict[str, Any]:
        """Asyncpg's options for a connection that is lent to handlers and queries."""
        return self._options(application, _limits(LENT_SECONDS))

    def _options(self, application: str, settings: dict[str, str]) -> dict[str, Any]:
        if self.pooled:
            return _without_state(application)
        if self.read_only:
            settings = {**settings, "default_transaction_read_only": "on"}
        return {"server_settings": {**settings, "application_name": application}}


async def dial(dsn: str, **options: Any) -> DriverConnection:
    """Connect as asyncpg does, and let the kernel notice a peer that is gone.

    A server that is being killed answers the request for TLS with a refusal and a fatal error in
    one packet. asyncpg reports this as a server without TLS, although the DSN does not insist on
    TLS, so the connection could go on without it.

    Raises:
        ConnectionResetError: the server is stopping.
    """
    try:
        connection = await asyncpg.connect(dsn, **options)
    except ConnectionError as error:
        if REFUSES_TLS in str(error) and not _insists_on_tls(dsn):
            raise ConnectionResetError("the server ended the connection: it is stopping") from error
        raise
    _watch_peer(connection)
    return connection


def _insists_on_tls(dsn: str) -> bool:
    modes = dict(parse_qsl(urlsplit(dsn).query)).get("sslmode", "prefer")
    return modes not in {"disable", "allow", "prefer"}


def _watch_peer(connection: Any) -> None:
    """Have TCP end the connection when the peer is silent for as long as a statement may take."""
    found = connection._transport.get_extra_info("socket")  # noqa: SLF001 asyncpg has no way to it
    if found is None or found.family == socket.AF_UNIX:
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_OPTIONS.items():
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def connect(access: ConnectionOptions, *, application: str) -> DriverConnection:
    """Make a connection outside of the pool.

    Raises:
        StoreError: the DSN is invalid, or names files that cannot be read.
    """
    connection = await _connect(access.dsn, access.own(application))
    if access.pooled:
        try:
            await learn_types(connection)
        except BaseException:
            connection.terminate()
            raise
    return connection


async def connect_once(dsn: str, *, application: str) -> DriverConnection:
    """Make a connection for a short task, without settings that a pooler would refuse.

    Raises:
        StoreError: the DSN is invalid, or names files that cannot be read.
    """
    return await _connect(dsn, _without_state(application))


async def learn_types(connection: Any) -> None:
    """Let asyncpg look up the types of the statements' parameters.

    It changes a setting meanwhile, so a pooler must not switch connections: hence the transaction.
    """
    async with connection.transaction():
        await connection.prepare(_TYPES)


async def exchange_json(connection: Any) -> None:
    """Let columns of the types json and jsonb be values, not text; text is taken for JSON."""
    async with connection.transaction():  # of a pooler's connections, one for both
        for name in ("json", "jsonb"):
            await connection.set_type_codec(
                name, schema="pg_catalog", encoder=_json_text, decoder=json.loads
            )


def bad_dsn(dsn: str, error: BaseException) -> StoreError:
    """The error of an invalid DSN, without its password."""
    text = str(Translator(dsn, "", 0).store_error(error))
    return StoreError(f"the DSN of the store is invalid: {text}")


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


async def _connect(dsn: str, options: dict[str, Any]) -> DriverConnection:
    check_dsn(dsn)
    try:
        return await dial(dsn, timeout=CONNECT_SECONDS, **options)
    except asyncpg.ConnectionDoesNotExistError as error:
        # With TLS 1.3, a server refuses a client's certificate after the handshake.
        if "sslcert" in dsn:
            raise ConnectionError(f"{error}; {_CERTIFICATE}") from error
        raise
    except asyncpg.ClientConfigurationError as error:
        raise bad_dsn(dsn, error) from None
    except ValueError as error:
        # Errors of certificates are a ValueError, too.
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
