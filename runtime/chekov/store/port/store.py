"""The whole of a store: its roles, and the event store as its public face."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

from chekov.store.changes import Topic
from chekov.store.port.event_store import EventStore
from chekov.store.port.figures import Figures
from chekov.store.port.keys import Keys
from chekov.store.port.layouts import Layouts
from chekov.store.port.nodes import Nodes
from chekov.store.port.processes import Processes
from chekov.store.port.read_models import ReadModels
from chekov.store.port.schedules import Schedules
from chekov.store.port.snapshots import Snapshots
from chekov.store.port.streams import Streams
from chekov.store.port.subscriptions import Subscriptions
from chekov.store.port.tag_index import TagIndex

if TYPE_CHECKING:
    from chekov.store.tail import Tail  # which needs this package

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
    def layouts(self) -> Layouts:
        """The numbers of partitions."""
        ...

    @property
    def read_models(self) -> ReadModels | None:
        """The tables of projections; `None` when the store has no database."""
        ...

    @property
    def nodes(self) -> Nodes:
        """The processes that run subscriptions."""
        ...

    @property
    def figures(self) -> Figures:
        """How the commands of each process ended."""
        ...

    @property
    def processes(self) -> Processes:
        """States, waiting commands and timers of process managers."""
        ...

    @property
    def schedules(self) -> Schedules:
        """Commands for a later time."""
        ...

    @property
    def snapshots(self) -> Snapshots:
        """Snapshots of aggregates."""
        ...

    @property
    def tag_index(self) -> TagIndex:
        """Which tags are complete."""
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

    @property
    def tail(self) -> "Tail":
        """The newest events, cached once for all that follow the log live."""
        ...

    async def wait(self, topic: Topic, seen: int, timeout: float) -> int:
        """Wait until something changed, in this process or another, or for `timeout` seconds.

        The topics are `"events"`: the log reaches beyond the position `seen`; `"subscriptions"`: a
        subscription may have become free; `"keys"`: keys may have been deleted or events erased.

        Returns:
            The newest position known, or a counter of the changes. Pass it as `seen` to the next
            call, 0 to the first: what happens in between makes that call return at once. A call may
            return early without a change; none is missed for longer than a lost connection lasts.

        Raises:
            StoreClosed: the store is not open.
        """
        ...

    async def ping(self) -> None:
        """Return when the store answers, and takes what is appended.

        Raises:
            StoreUnavailable: it does not.
        """
        ...

    @property
    def troubles(self) -> Sequence[str]:
        """What keeps the background tasks of the store from their work now, a sentence each."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...
