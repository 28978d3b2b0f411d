"""What stores say when asked directly, and no more often than needed."""

import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from chekov.errors import StoreError
from chekov.store.port import SubscriptionRow
from chekov.store.postgres.inspect import StoreStatus, inspect, subscription_status
from chekov_operator.api import SecretKey, Store
from chekov_operator.client import Client
from chekov_operator.observed import Fault
from chekov_operator.resources import SECRET, strings

POSTGRES_PORT: Final = 5432
_DSN_SECONDS: Final = 300.0
_HEAD_SECONDS: Final = 5.0
_ROWS_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """How far a domain's subscriptions are.

    Attributes:
        rows: of the domain.
        head: position of the store's last event when they were read.
    """

    rows: Sequence[SubscriptionRow]
    head: int


class Databases:
    """Asks Postgres, and keeps the answers for a moment: pods come and go more often."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._dsns: dict[tuple[str, SecretKey], tuple[float, str]] = {}
        self._heads: dict[tuple[str, str], tuple[float, int]] = {}
        self._rows: dict[tuple[str, str, str], tuple[float, Subscriptions | None]] = {}

    async def dsn(self, namespace: str, secret: SecretKey) -> str | Fault:
        """Where a database is; the Secret is read again after some minutes and after a failure."""
        known = self._dsns.get((namespace, secret))
        if known is not None and self._clock() - known[0] < _DSN_SECONDS:
            return known[1]
        found = _dsn_in(await self._client.get(SECRET, namespace, secret.name), namespace, secret)
        if isinstance(found, str):
            self._dsns[namespace, secret] = (self._clock(), found)
        return found

    async def status(self, store: Store, dsn: str) -> StoreStatus | Fault:
        """What a store holds, or why it does not say."""
        try:
            found = await inspect(dsn, store.schema)
        except StoreError as error:
            self._dsns.pop((store.meta.namespace, store.secret), None)
            return Fault("Unreachable", f"Postgres at {address(dsn)[0]}: {error}")
        self._heads[store.meta.namespace, store.meta.name] = (self._clock(), found.position)
        return found

    async def subscriptions(self, store: Store, domain: str) -> Subscriptions | None:
        """How far a domain's subscriptions are; `None` when the store does not say."""
        key = (store.meta.namespace, store.meta.name, domain)
        known = self._rows.get(key)
        if known is not None and self._clock() - known[0] < _ROWS_SECONDS:
            return known[1]
        found = await self._subscriptions(store, domain)
        self._rows[key] = (self._clock(), found)
        return found

    async def _subscriptions(self, store: Store, domain: str) -> Subscriptions | None:
        dsn = await self.dsn(store.meta.namespace, store.secret)
        if isinstance(dsn, Fault):
            return None
        try:
            rows = await subscription_status(dsn, store.schema, domain)
        except StoreError:
            return None
        # The head is read after the rows, or a subscription could seem to be ahead of its store.
        head = await self._head(store, dsn)
        return None if head is None else Subscriptions(rows, head)

    async def _head(self, store: Store, dsn: str) -> int | None:
        known = self._heads.get((store.meta.namespace, store.meta.name))
        if known is not None and self._clock() - known[0] < _HEAD_SECONDS:
            return known[1]
        found = await self.status(store, dsn)
        return None if isinstance(found, Fault) else found.position


def address(dsn: str) -> tuple[str, int]:
    """Host and port of a DSN, without what is secret in it; the first where there are several."""
    try:
        parts = urlsplit(dsn.split(",", maxsplit=1)[0] if "," in dsn else dsn)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "an unreadable DSN", POSTGRES_PORT
    return host or "localhost", port or POSTGRES_PORT


def qualified(dsn: str, namespace: str) -> str:
    """The DSN as it reads outside of its namespace: `postgres` becomes `postgres.<namespace>.svc`.

    A pod finds a Service of its own namespace by its first name alone. The operator lives in
    another namespace.
    """
    parts = urlsplit(dsn)
    login, at, hosts = parts.netloc.rpartition("@")
    full = ",".join(_qualified_host(host, namespace) for host in hosts.split(","))
    return urlunsplit(parts._replace(netloc=f"{login}{at}{full}"))


def _qualified_host(text: str, namespace: str) -> str:
    if text.startswith("["):
        return text
    host, colon, port = text.partition(":")
    if not host or "." in host or host == "localhost" or _is_address(host):
        return text
    return f"{host}.{namespace}.svc{colon}{port}"


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _dsn_in(body: object, namespace: str, secret: SecretKey) -> str | Fault:
    if body is None:
        return Fault(
            "SecretNotFound",
            f"spec.connection: there is no Secret {secret.name!r} in the namespace "
            f"{namespace!r}; create it with the key {secret.key!r} holding a DSN",
        )
    data = strings(body, "data")
    if not data.get(secret.key):
        held = ", ".join(sorted(data)) or "none"
        return Fault(
            "SecretKeyMissing",
            f"spec.connection: the Secret {secret.name!r} has no key {secret.key!r}; it has {held}",
        )
    try:
        dsn = b64decode(data[secret.key]).decode().strip()
    except (Base64Error, UnicodeDecodeError):
        dsn = ""
    if not dsn.startswith(("postgresql://", "postgres://")):
        return Fault(
            "InvalidDsn",
            f"spec.connection: the key {secret.key!r} of the Secret {secret.name!r} holds no DSN; "
            "write postgresql://user:password@host:5432/database",
        )
    try:
        return qualified(dsn, namespace)
    except ValueError:
        return Fault(
            "InvalidDsn",
            f"spec.connection: the DSN in the key {secret.key!r} of the Secret {secret.name!r} "
            "cannot be read; write special characters of the password as %xx",
        )
