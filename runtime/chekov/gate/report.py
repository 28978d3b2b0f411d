"""What a gate finds and how it judges that: one value for people, pipelines and the operator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from chekov.engine.places import Place

Level = Literal["error", "warning", "note"]
Compatibility = Literal["Compatible", "Incompatible", "Unknown"]

RULES: Final[Mapping[str, str]] = {
    "UnknownType": "The code has no event type of a stored name, and no upcaster for it.",
    "NewerRevision": "Newer code stored an event in a revision that this code does not know.",
    "Undecodable": "The content of a stored event does not fit its type.",
    "UpcasterFailed": "An upcaster fails on a stored event.",
    "NotApplied": "An aggregate has no method that applies an event of one of its streams.",
    "ApplierFailed": "The method of an aggregate that applies an event fails on a stored one.",
    "HistoryTruncated": "The first events of a stream are gone, and no snapshot fits the code.",
    "SnapshotIgnored": "Snapshots have another shape than the code's; events are read instead.",
    "UndecodableProcess": "The state of a process manager, or a timer, does not fit its class.",
    "UndecodableCommand": "A command that waits to be executed does not fit its class.",
    "AbandonedProcess": "Instances of a process manager are open that the code does not have.",
    "UndecodableParked": "A parked event cannot be decoded.",
    "AbandonedSubscription": "A subscription that the code does not have has parked events.",
    "DomainRenamed": "The domain has another name than the running one.",
    "AggregateRemoved": "The running code has an aggregate that this code does not have.",
    "CommandRemoved": "The running code has a command that this code does not have.",
    "EventRemoved": "The running code has an event that this code does not have.",
    "SubscriptionRemoved": "The running code has a subscription that this code does not have.",
    "SubscriptionChanged": "A subscription is of another kind or version than the running one.",
    "StoreSchema": "The store has a schema that this code does not work with.",
}
"""Each rule with what it says."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that differs from what the code expects.

    Attributes:
        rule: one of `RULES`.
        level: an error makes the code incompatible.
        message: what is wrong, without a value of what is stored.
        type: the stored name of an event, or the name of a command, a timer or a subscription.
        stream: of an event, or the instance of a process manager.
        version: of an event in its stream; 0 if it is not about one.
        position: of an event in the log; 0 if it is not about one.
        place: the line of the user's code that failed.
        count: how many were found; the others are given by the first.
    """

    rule: str
    level: Level
    message: str
    type: str = ""
    stream: str = ""
    version: int = 0
    position: int = 0
    place: Place | None = None
    count: int = 1

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        where = self.stream
        if self.position:
            where = f"{self.stream} version {self.version} (position {self.position})"
        subject = " at ".join(part for part in (self.type, where) if part)
        more = f" ({self.count} of those looked at)" if self.count > 1 else ""
        return f"{subject}: {self.message}{more}" if subject else f"{self.message}{more}"

    @property
    def cause(self) -> tuple[object, ...]:
        """The same for findings that have one cause."""
        return self.rule, self.level, self.type, self.message


class Findings:
    """Collects findings; of those with one cause, the first counts the others."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Finding] = {}
        self._places: set[tuple[object, ...]] = set()

    def add(self, finding: Finding) -> None:
        """Add a finding; without effect if it was added before."""
        place = (*finding.cause, finding.stream, finding.position)
        known = self._found.get(finding.cause)
        if known is None:
            self._found[finding.cause] = finding
        elif place not in self._places:
            self._found[finding.cause] = replace(known, count=known.count + finding.count)
        self._places.add(place)

    def ordered(self) -> list[Finding]:
        """Errors first."""
        order: Sequence[Level] = ("error", "warning", "note")
        return sorted(self._found.values(), key=lambda item: order.index(item.level))


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a gate.

    Attributes:
        compatibility: `Unknown` if less was read than an answer needs.
        reason: one word for machines.
        message: one sentence.
        findings: errors first.
        sampled: what was looked at, and how much of it.
        unread: what was not looked at, a sentence each.
    """

    compatibility: Compatibility
    reason: str
    message: str
    findings: Sequence[Finding] = ()
    sampled: Mapping[str, int] = field(default_factory=dict[str, int])
    unread: Sequence[str] = ()

    def of(self, level: Level) -> list[Finding]:
        """The findings of a level."""
        return [finding for finding in self.findings if finding.level == level]
