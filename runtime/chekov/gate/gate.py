"""One run of the gate: what is read in which order, within which limits, and the answer."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chekov.domain.boundary import Boundary
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.gate.aggregate_gate import AggregateGate
from chekov.gate.event_gate import EventGate
from chekov.gate.manifests import RunningManifest
from chekov.gate.report import Findings, Report
from chekov.gate.samples import WithoutPersonalData
from chekov.gate.work_gate import WorkGate
from chekov.serialization.codec import Codec
from chekov.serialization.contents import AnyContents
from chekov.store.port import Store

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How much of a store is looked at.

    Attributes:
        events: of each stored name, half of them the newest and half the oldest; so all of a name
            that has no more than half of this.
        instances: of each aggregate, found by its newest and its oldest events.
        items: process instances, scheduled commands, and parked events of each subscription.
        seconds: in which all of it is read.
    """

    events: int = 200
    instances: int = 20
    items: int = 200
    seconds: float = 60.0


@dataclass(slots=True)
class _Progress:
    """What was looked at so far."""

    types: int = 0
    events: int = 0
    instances: int = 0
    work: int = 0
    left: Sequence[str] = ()
    """The stored names that were not looked at yet."""


async def run_gate(
    domain: Domain,
    store: Store,
    manifest: Mapping[str, Any],
    *,
    running: Mapping[str, Any] = _NOTHING,
    size: SampleSize = SampleSize(),
) -> Report:
    """Judge whether a domain can work with what a store holds.

    Args:
        domain: that is checked.
        store: an open one, which is only read; one that does not open personal data.
        manifest: of the domain.
        running: the manifest of the code that runs now, if there is any.
        size: how much is read.

    Raises:
        StoreError: the store cannot be read.
        DefinitionError: a message or a state of the domain cannot be stored.
    """
    gate = _Gate(domain, store, RunningManifest(running), size)
    for finding in gate.running.compare(manifest, reads_event=gate.codec.knows):
        gate.findings.add(finding)
    in_time = True
    try:
        async with asyncio.timeout(size.seconds):
            await gate.run()
    except TimeoutError:
        in_time = False
    return gate.report(in_time=in_time)


class _Gate:
    def __init__(
        self, domain: Domain, store: Store, running: RunningManifest, size: SampleSize
    ) -> None:
        self.running = running
        self.codec = Codec(domain)
        self.findings = Findings()
        self._domain = domain
        self._store = store
        self._size = size
        self._progress = _Progress()
        personal = bool(domain.personal)
        self._reads = (
            WithoutPersonalData(store.events, AnyContents(domain.serializer))
            if personal
            else store.events
        )
        categories = {definition_of(item).identity for item in domain.aggregates}
        self._events = EventGate(self._reads, self.codec, categories, running.events, self.findings)
        self._aggregates = AggregateGate(
            domain,
            self._reads,
            store.streams,
            None if personal else store.snapshots,
            self.codec,
            self._events,
            self.findings,
        )
        self._work = WorkGate(domain, self.codec, running.versions, self.findings)

    async def run(self) -> None:
        """Read from the most telling to the least: time may run out."""
        await self._check_events()
        await self._check_work()
        for aggregate in self._domain.aggregates:
            if not issubclass(aggregate, Boundary):
                found = await self._aggregates.check(aggregate, self._size.instances)
                self._progress.instances += found

    async def _check_events(self) -> None:
        names = sorted(await self._store.events.types())
        for number, name in enumerate(names):
            self._progress.left = names[number:]
            # Decoding never yields, and a store in memory does not either: let time run out here.
            await asyncio.sleep(0)
            found = await self._events.check(name, self._size.events)
            self._progress.events += found
            self._progress.types += bool(found)
        self._progress.left = ()

    async def _check_work(self) -> None:
        store, work, most = self._store, self._work, self._size.items
        progress = self._progress
        progress.work += await work.check_processes(store.processes, most)
        progress.work += await work.check_outbox(store.processes, store.subscriptions, most)
        progress.work += await work.check_schedules(store.schedules, most)
        progress.work += await work.check_parked(store.subscriptions, self._reads, most)

    def report(self, *, in_time: bool) -> Report:
        """The answer to what was found."""
        found, progress = self.findings.ordered(), self._progress
        sampled = {
            "types": progress.types,
            "events": progress.events,
            "instances": progress.instances,
            "work": progress.work,
        }
        errors = [finding for finding in found if finding.level == "error"]
        unread = self._unread(in_time=in_time)
        if errors:
            more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
            message = f"{errors[0].sentence}{more}"
            return Report("Incompatible", errors[0].rule, message, found, sampled, unread)
        if not in_time and progress.left:
            message = (
                f"the time of {self._size.seconds:g} s was over before events of each stored name "
                "were read"
            )
            return Report("Unknown", "TimedOut", message, found, sampled, unread)
        if not any(sampled.values()):
            message = "the store holds nothing that concerns this domain"
            return Report("Compatible", "NothingStored", message, found, sampled, unread)
        message = (
            f"{progress.events} events of {progress.types} stored names, {progress.instances} "
            f"instances of aggregates and {progress.work} pieces of work at hand can be read"
        )
        return Report("Compatible", "Readable", message, found, sampled, unread)

    def _unread(self, *, in_time: bool) -> Sequence[str]:
        unread: list[str] = []
        if not in_time:
            names = ", ".join(self._progress.left[:10]) or "some instances of aggregates"
            unread.append(f"after {self._size.seconds:g} s: {names}")
        if self._domain.personal:
            unread.append("values of personal data, and snapshots that may hold them")
        if self._work.sealed:
            unread.append(f"{self._work.sealed} encrypted states, timers and commands")
        return unread
