"""Reading the state of stores from their databases, no more often than needed."""

import asyncio
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from chekov.errors import StoreError
from chekov.store.postgres.inspect import Inspector, Progress, StoreStatus
from chekov_operator.api.event_store import SecretKey, Store
from chekov_operator.api.fault import Fault
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import SECRET, Key
from chekov_operator.kube.objects import nested_strings
from chekov_operator.stores.dsn import UnreadableDsn, addresses_of, qualified, shown

_DSN_SECONDS: Final = 300.0
_PROGRESS_SECONDS: Final = 1.0
_HOW_TO_WRITE: Final = (
    "write postgresql://user:password@host:5432/database, and special characters of the user and "
    "the password as %xx, for example %40 for @"
)


@dataclass(slots=True)
class _LastRead:
    """What was last read from a store."""

    read_at: float = float("-inf")
    progress: Progress | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Databases:
    """Reads over one connection per database, and once for all bundles of a store."""

    def __init__(
        self,
        client: Client,
        clock: Callable[[], float] = time.monotonic,
        inspector: Callable[[str], Inspector] = Inspector,
    ) -> None:
        self._client = client
        self._clock = clock
        self._make = inspector
        self._inspectors: dict[str, Inspector] = {}
        self._dsns: dict[tuple[str, SecretKey], tuple[float, str]] = {}
        self._known: dict[tuple[str, str], _LastRead] = {}

    def close(self) -> None:
        for inspector in self._inspectors.values():
            inspector.close()

    async def dsn(self, namespace: str, secret: SecretKey) -> str | Fault:
        """The DSN in a Secret, which is read again after some minutes and after a failure."""
        known = self._dsns.get((namespace, secret))
        if known is not None and self._clock() - known[0] < _DSN_SECONDS:
            return known[1]
        found = _dsn_in(await self._client.get(SECRET, namespace, secret.name), namespace, secret)
        if isinstance(found, str):
            self._dsns[namespace, secret] = (self._clock(), found)
        return found

    async def status(self, store: Store, dsn: str) -> StoreStatus | Fault:
        """The state of a store, or why it could not be read."""
        try:
            return await self._inspector(dsn).status(store.schema)
        except StoreError as error:
            self._dsns.pop((store.meta.namespace, store.secret), None)
            return Fault("Unreachable", f"Postgres at {shown(addresses_of(dsn))}: {error}")

    async def progress(self, store: Store, domain: str) -> Progress | None:
        """The positions of a domain's subscriptions; `None` if they could not be read."""
        known = self._known.setdefault((store.meta.namespace, store.meta.name), _LastRead())
        async with known.lock:
            if self._clock() - known.read_at >= _PROGRESS_SECONDS:
                known.progress = await self._read_progress(store)
                known.read_at = self._clock()
        found = known.progress
        if found is None:
            return None
        return replace(found, rows=[row for row in found.rows if row.key.domain == domain])

    def forget(self, key: Key) -> None:
        """Drop what was read from a store that was deleted."""
        self._known.pop((key.namespace, key.name), None)

    async def _read_progress(self, store: Store) -> Progress | None:
        dsn = await self.dsn(store.meta.namespace, store.secret)
        if isinstance(dsn, Fault):
            return None
        try:
            return await self._inspector(dsn).progress(store.schema)
        except StoreError:
            return None

    def _inspector(self, dsn: str) -> Inspector:
        found = self._inspectors.get(dsn)
        if found is None:
            # After a change of the password the inspector of the old DSN is left over.
            self._inspectors = {key: one for key, one in self._inspectors.items() if one.in_use}
            found = self._inspectors[dsn] = self._make(dsn)
        return found


def _dsn_in(body: object, namespace: str, secret: SecretKey) -> str | Fault:
    if body is None:
        return Fault(
            "SecretNotFound",
            f"spec.connection: there is no Secret {secret.name!r} in the namespace "
            f"{namespace!r}; create it with the key {secret.key!r} holding a DSN",
        )
    data = nested_strings(body, "data")
    if not data.get(secret.key):
        held = ", ".join(sorted(data)) or "none"
        return Fault(
            "SecretKeyMissing",
            f"spec.connection: the Secret {secret.name!r} has no key {secret.key!r}; it has {held}",
        )
    about = f"spec.connection: the key {secret.key!r} of the Secret {secret.name!r}"
    try:
        dsn = b64decode(data[secret.key]).decode().strip()
        return qualified(dsn, namespace)
    except (Base64Error, UnicodeDecodeError):
        return Fault("InvalidDsn", f"{about} does not hold text; {_HOW_TO_WRITE}")
    except UnreadableDsn as error:
        return Fault("InvalidDsn", f"{about} does not hold a DSN: {error}; {_HOW_TO_WRITE}")
