"""Reading the state of stores from their databases, in the background."""

import asyncio
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, NamedTuple, Self

from chekov.errors import ChekovError, StoreError, StoreUnavailable
from chekov.store.port import Store as StorePort
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.inspect import Inspector, Progress
from chekov_operator.api.event_store import SecretKey, Store
from chekov_operator.api.fault import Fault
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import SECRET, STORE, Key
from chekov_operator.kube.objects import nested_strings
from chekov_operator.stores.dsn import UnreadableDsn, addresses_of, qualified, shown
from chekov_operator.stores.open_stores import MakeStore, OpenStores
from chekov_operator.stores.poller import Poller, Reading
from chekov_operator.stores.service_ports import pod_ports

_HOW_TO_WRITE: Final = (
    "write postgresql://user:password@host:5432/database, and special characters of the user and "
    "the password as %xx, for example %40 for @"
)


_PATIENCE_SECONDS: Final = 5.0
_CONNECTIONS: Final = 3


class NoDsn(ChekovError):
    """A store cannot be opened, because its Secret holds no DSN that can be used."""


class _Dsn(NamedTuple):
    text: str
    pod_ports: tuple[int, ...]


def _postgres(dsn: str, store: Store) -> StorePort:
    return PostgresStore(
        dsn,
        schema=store.schema,
        migrate=False,
        pool_size=_CONNECTIONS,
        patience=_PATIENCE_SECONDS,
        pooled=store.pooled,
        background=False,
    )


class Sought(NamedTuple):
    """What events a bundle waits for.

    Attributes:
        domain: of its subscriptions.
        subscriptions: name and version of each; they have handled some events already.
        types: the stored names of the events.
    """

    domain: str
    subscriptions: frozenset[tuple[str, int]]
    types: tuple[str, ...]


class Databases:
    """Polls each store in the background while it is entered, over one connection per database.

    Args:
        client: reads the Secrets.
        changed: called with the key of a store whenever something else was read from it.
        refresh_seconds: between two reads of a store that answers.
        inspector: makes what reads one database.
        store: makes what changes the subscriptions of a store, from its DSN.
    """

    def __init__(
        self,
        client: Client,
        changed: Callable[[Key], None],
        *,
        refresh_seconds: float,
        inspector: Callable[[str], Inspector] = Inspector,
        store: MakeStore = _postgres,
    ) -> None:
        self._client = client
        self._changed = changed
        self._refresh_seconds = refresh_seconds
        self._make = inspector
        self._inspectors: dict[str, Inspector] = {}
        self._dsns: dict[tuple[str, SecretKey], _Dsn] = {}
        self._changes = 0
        self._sought: dict[Key, dict[Key, Sought]] = {}
        self._needs: dict[Key, dict[Key, int]] = {}
        self._group = asyncio.TaskGroup()
        self._open = OpenStores(store, self._group)
        self._pollers: dict[Key, tuple[Poller, asyncio.Task[None]]] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all polling, and close the connections."""
        for _, task in self._pollers.values():
            task.cancel()
        self._pollers.clear()
        self._open.close()
        await self._group.__aexit__(kind, error, traceback)
        for inspector in self._inspectors.values():
            inspector.close()

    def reading(self, store: Store) -> Reading | None:
        """What was last read from a store, which is polled from now on; `None` if nothing yet."""
        key = Key(STORE.name, store.meta.namespace, store.meta.name)
        known = self._pollers.get(key)
        if known is not None and _is_same_place(known[0].store, store):
            poller = known[0]
            if poller.store.reader != store.reader:
                poller.hurry()
            poller.store = store
            return poller.reading
        self.forget(key)
        poller = Poller(
            store, self.read, lambda: self._changed(key), refresh_seconds=self._refresh_seconds
        )
        task = self._group.create_task(poller.run(), name=f"poller of {key}")
        self._pollers[key] = (poller, task)
        return None

    def last_reading(self, key: Key) -> Reading | None:
        """What was last read from a store that is polled already."""
        known = self._pollers.get(key)
        return known[0].reading if known else None

    def readings(self) -> Iterable[tuple[Key, Reading]]:
        """What was last read from each store that was read."""
        for key, (poller, _) in self._pollers.items():
            if poller.reading is not None:
                yield key, poller.reading

    def seek(self, key: Key, bundle: Key, sought: "Sought | None") -> None:
        """Have each reading of a store say whether an event waits for a bundle; `None` ends it."""
        bundles = self._sought.setdefault(key, {})
        if sought is None:
            bundles.pop(bundle, None)
        elif bundles.get(bundle) != sought:
            bundles[bundle] = sought
            self.hurry(key)

    def report_need(self, key: Key, bundle: Key, connections: int) -> None:
        """Note how many connections to the server of a store a bundle waits for; 0 ends it."""
        bundles = self._needs.setdefault(key, {})
        if bundles.get(bundle, 0) != connections:
            bundles[bundle] = connections
            self._changed(key)

    def needed(self, key: Key) -> int:
        """How many connections to the server of a store its bundles wait for."""
        return sum(self._needs.get(key, {}).values())

    def forget_bundle(self, bundle: Key) -> None:
        """Look no longer for events that a bundle waits for, and no longer count its need."""
        for bundles in self._sought.values():
            bundles.pop(bundle, None)
        for key in list(self._needs):
            self.report_need(key, bundle, 0)

    def hurry(self, key: Key) -> None:
        """Read a store soon, because something in it is about to change."""
        known = self._pollers.get(key)
        if known is not None:
            known[0].hurry()

    def secret_changed(self, namespace: str, name: str) -> None:
        """Read a Secret again, and soon the stores whose DSN it holds."""
        self._changes += 1
        for key in [key for key in self._dsns if (key[0], key[1].name) == (namespace, name)]:
            del self._dsns[key]
        for key, (poller, _) in self._pollers.items():
            names = {secret.name for secret in poller.store.secrets}
            if key.namespace == namespace and name in names:
                poller.hurry()

    def forget(self, key: Key) -> None:
        """Poll a store no longer."""
        known = self._pollers.pop(key, None)
        if known is None:
            return
        poller, task = known
        task.cancel()
        for secret in poller.store.secrets:
            self._dsns.pop((key.namespace, secret), None)
        self._sought.pop(key, None)
        self._needs.pop(key, None)

    @asynccontextmanager
    async def opened(self, store: Store) -> AsyncGenerator[StorePort]:
        """A store itself, to do what people ask for; it is read again soon.

        Those who use a store shortly after each other share its connections.

        Raises:
            NoDsn: its Secret holds none that can be used.
            StoreError: the database is away, or refuses.
            ApiError: the API server refuses to give the Secret.
            ApiUnavailable: the API server does not answer.
        """
        found = await self._dsn(store.meta.namespace, store.secret)
        if isinstance(found, Fault):
            raise NoDsn(found.message)
        try:
            async with self._open.using(found.text, store) as opened:
                yield opened
        except StoreUnavailable:
            # The password may have been changed.
            self._dsns.pop((store.meta.namespace, store.secret), None)
            raise
        self.hurry(Key(STORE.name, store.meta.namespace, store.meta.name))

    async def read(self, store: Store) -> Reading:
        """Read a store now.

        Raises:
            ApiError: the API server refuses to give the Secret.
            ApiUnavailable: the API server does not answer.
        """
        found = await self._dsn(store.meta.namespace, store.secret)
        if isinstance(found, Fault):
            return Reading(dsn_fault=found)
        host = shown(addresses_of(found.text))
        reader_host = await self._reader_host(store)
        inspector = self._inspector(found.text)
        try:
            state = await inspector.status(store.schema)
            progress = await inspector.progress(store.schema) if state.usable else None
            waiting = await self._waiting(inspector, store, progress)
        except StoreError as error:
            # The password may have been changed.
            self._dsns.pop((store.meta.namespace, store.secret), None)
            return Reading(
                host=host,
                pod_ports=found.pod_ports,
                reader_host=reader_host,
                unreachable=Fault("Unreachable", f"Postgres at {host}: {error}"),
            )
        return Reading(
            host=host,
            pod_ports=found.pod_ports,
            reader_host=reader_host,
            state=state,
            progress=progress,
            waiting=waiting,
        )

    async def _waiting(
        self, inspector: Inspector, store: Store, progress: Progress | None
    ) -> dict[Key, bool]:
        """Of the bundles that asked, whether there is an event that their handlers take."""
        if progress is None:
            return {}
        key = Key(STORE.name, store.meta.namespace, store.meta.name)
        return {
            bundle: await inspector.is_waiting(store.schema, sought.types, after)
            for bundle, sought in dict(self._sought.get(key, {})).items()
            if (after := _first_position(progress, sought)) is not None
        }

    async def _reader_host(self, store: Store) -> str | None:
        """The servers of the reader; a Secret that cannot be used stops only who needs it."""
        if store.reader is None:
            return None
        found = await self._dsn(store.meta.namespace, store.reader.secret)
        return None if isinstance(found, Fault) else shown(addresses_of(found.text))

    async def _dsn(self, namespace: str, secret: SecretKey) -> "_Dsn | Fault":
        """The DSN in a Secret, which is read again after a change and after a failure."""
        known = self._dsns.get((namespace, secret))
        if known is not None:
            return known
        changes = self._changes
        text = _dsn_in(await self._client.get(SECRET, namespace, secret.name), namespace, secret)
        if isinstance(text, Fault):
            return text
        found = _Dsn(text, await pod_ports(self._client, addresses_of(text)))
        if changes == self._changes:
            self._dsns[namespace, secret] = found
        return found

    def _inspector(self, dsn: str) -> Inspector:
        found = self._inspectors.get(dsn)
        if found is None:
            # After a change of the password the inspector of the old DSN is left over.
            self._inspectors = {key: one for key, one in self._inspectors.items() if one.in_use}
            found = self._inspectors[dsn] = self._make(dsn)
        return found


def _first_position(progress: Progress, sought: Sought) -> int | None:
    """Up to where all running subscriptions of a bundle have handled events."""
    positions = [
        row.position
        for row in progress.rows
        if row.key.domain == sought.domain
        and (row.key.name, row.key.version) in sought.subscriptions
        and row.state == "running"
    ]
    return min(positions, default=None)


def _is_same_place(one: Store, other: Store) -> bool:
    return (one.meta.uid, one.secret, one.schema) == (other.meta.uid, other.secret, other.schema)


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
