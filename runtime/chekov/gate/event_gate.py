"""Whether code reads the stored events: a sample of each stored name is decoded and upcast."""

from collections.abc import Collection

from chekov.domain.event_filter import EventFilter
from chekov.domain.names import OWN
from chekov.engine.places import Place, place_of
from chekov.errors import NewerRevision, Undecodable
from chekov.gate.report import Finding, Findings, Level
from chekov.gate.samples import Reads, sampled
from chekov.serialization.codec import Codec
from chekov.serialization.misfits import misfit
from chekov.store.port import RecordedEvent


class EventGate:
    """Decodes events.

    Args:
        reads: events.
        codec: of the code that is checked.
        categories: of the streams that belong to its domain.
        expected: the stored names that the running code has.
        findings: takes what cannot be decoded.
    """

    def __init__(
        self,
        reads: Reads,
        codec: Codec,
        categories: Collection[str],
        expected: Collection[str],
        findings: Findings,
    ) -> None:
        self._reads = reads
        self._codec = codec
        self._categories = categories
        self._expected = expected
        self._findings = findings

    async def check(self, name: str, count: int) -> int:
        """Look at events of a stored name; return at how many."""
        if name.startswith(OWN):
            return 0
        is_own = self._codec.knows(name) or self._codec.revisions.precede(name)
        looked = own = 0
        newest: RecordedEvent | None = None
        async for event in sampled(self._reads, EventFilter(types=frozenset({name})), count):
            looked += 1
            if newest is None or event.position > newest.position:
                newest = event
            # Events of other domains are none of this one's business.
            if is_own or event.stream.partition("-")[0] in self._categories:
                own += 1
                self.decodes(event)
        if newest is not None and not own and name in self._expected:
            message = "the running code reads these events, and this code has no type for them"
            finding = about(newest, "EventRemoved", message, level="warning", count=looked)
            self._findings.add(finding)
        return own

    def decodes(self, event: RecordedEvent) -> bool:
        """Whether an event can be decoded; if not, it is added to the findings."""
        try:
            self._codec.decode_all(event)
        except Undecodable as error:
            self._findings.add(undecodable(self._codec, event, error))
            return False
        return True


def undecodable(codec: Codec, event: RecordedEvent, error: Undecodable) -> Finding:
    """What it says that an event cannot be decoded, without a value of the event."""
    if isinstance(error, NewerRevision):
        known = codec.revisions.newest.get(event.type.rpartition("@")[0], 1)
        message = f"newer code stored it; this code knows revisions up to {known}"
        return about(event, "NewerRevision", message)
    if not codec.knows(event.type):
        message = "the domain has no event type of this name and no upcaster for it"
        return about(event, "UnknownType", message)
    cause = error.__cause__
    reason = misfit(cause)
    if reason is not None:
        return about(event, "Undecodable", f"its content does not fit: {reason}")
    rule = "UpcasterFailed" if codec.is_upcast(event.type) else "Undecodable"
    if cause is None:
        return about(event, rule, str(error).partition("cannot be decoded: ")[2])
    return raised(event, rule, "decoding it", cause)


def raised(event: RecordedEvent, rule: str, what: str, error: BaseException) -> Finding:
    """What it says that code of the user's raised, without its message, which may hold values."""
    place = place_of(error)
    where = "" if place is None else f" in {place.function}, line {place.line} of {place.module}"
    return about(event, rule, f"{what} raised {type(error).__name__}{where}", place)


def about(
    event: RecordedEvent,
    rule: str,
    message: str,
    place: Place | None = None,
    *,
    level: Level = "error",
    count: int = 1,
) -> Finding:
    """A finding about an event."""
    return Finding(
        rule,
        level,
        message,
        event.type,
        event.stream,
        event.version,
        event.position,
        place=place,
        count=count,
    )
