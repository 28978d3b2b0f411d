"""Whether code rebuilds stored aggregates: a sample of each category is rehydrated as it runs."""

import asyncio

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.rehydration import Rehydrator
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.observer import Observer, SnapshotOutcome
from chekov.errors import HistoryTruncated, Undecodable
from chekov.gate.event_gate import EventGate, about, raised
from chekov.gate.report import Finding, Findings
from chekov.gate.samples import Reads, sampled_streams
from chekov.serialization.codec import Codec
from chekov.serialization.snapshots import SnapshotCodec
from chekov.store.port import RecordedEvent, Snapshot, Snapshots, Streams


class AggregateGate:
    """Rehydrates aggregates.

    Args:
        domain: that is checked.
        reads: events.
        streams: which are looked up.
        snapshots: `None` if they cannot be read without the keys of personal data.
        codec: of the domain.
        events: checks an event that cannot be decoded.
        findings: takes what cannot be rebuilt.
    """

    def __init__(
        self,
        domain: Domain,
        reads: Reads,
        streams: Streams,
        snapshots: Snapshots | None,
        codec: Codec,
        events: EventGate,
        findings: Findings,
    ) -> None:
        self._reads = reads
        self._codec = codec
        self._events = events
        self._findings = findings
        self._without_snapshots = snapshots is None
        self._snapshots = _SnapshotCounter()
        self._snapshotter = Snapshotter(
            snapshots or _NoSnapshots(), SnapshotCodec(domain), self._snapshots
        )
        self._rehydrator = Rehydrator(reads, streams, codec, Observer(), self._snapshotter)

    async def check(self, aggregate: type[Aggregate], count: int) -> int:
        """Rehydrate instances of an aggregate; return how many."""
        identity = definition_of(aggregate).identity
        streams = await sampled_streams(self._reads, identity, count)
        for stream in streams:
            await asyncio.sleep(0)
            await self._rehydrate(aggregate, stream)
        ignored = self._snapshots.ignored.pop(identity, 0)
        if ignored:
            message = (
                f"{ignored} snapshots of {len(streams)} instances have another shape or version "
                "than the code's; the first command of each instance reads all of its events"
            )
            self._findings.add(Finding("SnapshotIgnored", "note", message, identity))
        return len(streams)

    async def _rehydrate(self, aggregate: type[Aggregate], stream: str) -> None:
        try:
            instance = LiveAggregate(aggregate, stream, restorable=False)
            await self._rehydrator.rehydrate(instance)
        except HistoryTruncated as error:
            if not self._without_snapshots:
                message = (
                    f"it begins at version {error.first}, and no snapshot of the state before it "
                    "fits the code"
                )
                identity = definition_of(aggregate).identity
                self._findings.add(Finding("HistoryTruncated", "error", message, identity, stream))
        except Undecodable as error:
            await self._explain(aggregate, stream, error)
        finally:
            self._snapshotter.drop()

    async def _explain(self, aggregate: type[Aggregate], stream: str, error: Undecodable) -> None:
        """Add why an event of a stream cannot be applied."""
        page = await self._reads.read_stream(stream, after=error.version - 1, limit=1)
        for recorded in page:
            if self._events.decodes(recorded):
                self._findings.add(self._not_applied(aggregate, recorded, error))

    def _not_applied(
        self, aggregate: type[Aggregate], recorded: RecordedEvent, error: Undecodable
    ) -> Finding:
        appliers = definition_of(aggregate).appliers
        missing = next(
            (
                type(event)
                for event in self._codec.decode_all(recorded)
                if type(event) not in appliers
            ),
            None,
        )
        if missing is not None:
            message = (
                f"{aggregate.__qualname__} does not apply {missing.__qualname__}: add an @apply "
                "method"
            )
            return about(recorded, "NotApplied", message)
        cause = error.__cause__ or error
        return raised(recorded, "ApplierFailed", f"applying it to {aggregate.__qualname__}", cause)


class _SnapshotCounter(Observer):
    """Counts the snapshots of each aggregate that do not fit."""

    def __init__(self) -> None:
        self.ignored: dict[str, int] = {}

    def snapshot(self, aggregate: str, outcome: SnapshotOutcome) -> None:
        if outcome == "ignored":
            self.ignored[aggregate] = self.ignored.get(aggregate, 0) + 1


class _NoSnapshots:
    """The role `snapshots` where there are none."""

    async def load(self, stream: str) -> Snapshot | None:
        return None

    async def save(self, snapshot: Snapshot) -> None:
        pass

    async def forget(self, stream: str) -> None:
        pass
