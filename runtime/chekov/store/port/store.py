"""All that a store does, together."""

from typing import Protocol, Self

from chekov.store.port.events import EventStore
from chekov.store.port.keys import KeyStore
from chekov.store.port.snapshots import SnapshotStore
from chekov.store.port.subscriptions import SubscriptionStore


class Store(EventStore, SubscriptionStore, SnapshotStore, KeyStore, Protocol):
    """All of it, as one adapter offers it; opened and closed as a context manager.

    An open store may be entered again, which costs nothing; leaving it as often as it was entered
    closes it. A closed one may be opened again.
    """

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...
