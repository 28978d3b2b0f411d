"""The store in memory: one object per role over one log."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Self

from chekov.store.changes import Changes, Topic
from chekov.store.delegating import DelegatingEventStore
from chekov.store.memory.event_store import MemoryEventStore
from chekov.store.memory.figures import MemoryFigures
from chekov.store.memory.keys import MemoryKeys
from chekov.store.memory.log import Log
from chekov.store.memory.nodes import MemoryNodes
from chekov.store.memory.processes import MemoryProcesses
from chekov.store.memory.schedules import MemorySchedules
from chekov.store.memory.snapshots import MemorySnapshots
from chekov.store.memory.streams import MemoryStreams
from chekov.store.memory.subscriptions import MemorySubscriptions
from chekov.store.memory.tag_index import MemoryTagIndex
from chekov.store.port import (
    CommitReport,
    Figures,
    Keys,
    Layouts,
    Nodes,
    Processes,
    ReadModels,
    RecordedEvent,
    Schedules,
    Snapshot,
    Snapshots,
    Streams,
    Subscriptions,
    TagIndex,
)
from chekov.store.tail import Tail


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryStore(DelegatingEventStore):
    """Every role of a store but read models, which need a database.

    It keeps its content while it is closed, so a test can stop a runtime and start another. A test
    may replace a role by an object of its own.

    Args:
        clock: returns the time of events and leases, with a zone.

    Attributes:
        log: what the roles share.
    """

    streams: Streams
    subscriptions: Subscriptions
    layouts: Layouts
    nodes: Nodes
    figures: Figures
    processes: Processes
    schedules: Schedules
    snapshots: Snapshots
    tag_index: TagIndex
    keys: Keys
    read_models: ReadModels | None

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self.changes = Changes()
        self.tail = Tail(self._read, head=self.changes.events, drops=self.changes.keys)
        self.log = Log(clock, self.tail)
        self.events = MemoryEventStore(self.log)
        snapshots: dict[str, Snapshot] = {}
        self.streams = MemoryStreams(self.log, snapshots)
        subscriptions = MemorySubscriptions(
            clock, lambda: self.log.history.head, self.changes.subscriptions
        )
        self.subscriptions = subscriptions
        self.layouts = subscriptions.layouts
        nodes = MemoryNodes(clock, self.changes.subscriptions)
        self.nodes = nodes
        self.figures = MemoryFigures(clock)
        self.tag_index = MemoryTagIndex(clock, self.log.history, nodes)
        processes = MemoryProcesses(clock, lambda: subscriptions, self.log)
        subscriptions.on_removed = processes.forget
        subscriptions.waiting = processes.waiting
        self.processes = processes
        self.schedules = MemorySchedules(clock)
        self.read_models = None
        self.snapshots = MemorySnapshots(self.log.history, snapshots)
        self.keys = MemoryKeys(self.log.history, self.changes.keys)

    async def __aenter__(self) -> Self:
        self.log.entered += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.log.entered -= 1
        if not self.log.entered:
            self.changes.wake_all()

    async def wait(self, topic: Topic, seen: int, timeout: float) -> int:
        """Wait for a change; see `Store.wait`."""
        self.log.check_open()
        value = await self.changes.wait(topic, seen, timeout)
        self.log.check_open()
        return value

    @contextmanager
    def reporting_commits(self, report: CommitReport) -> Generator[None]:
        """See `Store.reporting_commits`."""
        self.log.reports.append(report)
        try:
            yield
        finally:
            self.log.reports.remove(report)

    async def ping(self) -> None:
        """Return when the store is open."""
        self.log.check_open()

    @property
    def troubles(self) -> Sequence[str]:
        """Memory has none."""
        return ()

    async def _read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        return await self.events.read_page(after=after, limit=limit)
