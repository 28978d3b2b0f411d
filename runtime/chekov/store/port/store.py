"""The whole of a store: its roles, and the event store as its public face."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, Self, TypeAlias

from chekov.store.port.event_store import EventStore
from chekov.store.port.keys import Keys
from chekov.store.port.read_models import ReadModels
from chekov.store.port.snapshots import Snapshots
from chekov.store.port.streams import Streams
from chekov.store.port.subscriptions import Subscriptions

CommitReport: TypeAlias = Callable[[int, int, float], None]
"""Takes the appends and events of a batch, and the seconds that committing it took."""


class Store(EventStore, Protocol):
    """A store, opened and closed as an async context manager.

    It composes one object per role. Its own methods are those of `events`, which they delegate to.

    An open store may be entered again at no cost; it closes when it was left as often as it was
    entered. A closed one may be opened again.
    """

    @property
    def events(self) -> EventStore:
        """Appends and reads events."""
        ...

    @property
    def streams(self) -> Streams:
        """Deletes, truncates, links and lists streams."""
        ...

    @property
    def subscriptions(self) -> Subscriptions:
        """Checkpoints, owners and parked events."""
        ...

    @property
    def read_models(self) -> ReadModels | None:
        """The tables of projections; `None` when the store has no database."""
        ...

    @property
    def snapshots(self) -> Snapshots:
        """Snapshots of aggregates."""
        ...

    @property
    def keys(self) -> Keys:
        """The encryption keys of personal data."""
        ...

    def reporting_commits(self, report: CommitReport) -> AbstractContextManager[None]:
        """Call `report` after each batch of appends that is committed within the block.

        It must neither block nor raise.
        """
        ...

    async def ping(self) -> None:
        """Return when the store answers.

        Raises:
            StoreUnavailable: it does not.
        """
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...
