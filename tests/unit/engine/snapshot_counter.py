"""A counter with snapshots, and an observer that records their outcomes."""

from collections.abc import Iterable
from dataclasses import field

from chekov import Aggregate, apply, execute
from chekov.engine.observer import Observer, SnapshotOutcome
from tests.unit.engine.counter_domain import Add, AddAtMost, Added, TooMuch


class SnapshotLog(Observer):
    """Records the outcomes of snapshots, and how many events each rehydration read."""

    def __init__(self) -> None:
        self.outcomes: list[SnapshotOutcome] = []
        self.read: list[int] = []

    def snapshot(self, aggregate: str, outcome: SnapshotOutcome) -> None:
        assert aggregate == "counter"
        self.outcomes.append(outcome)

    def loaded(self, aggregate: str, events: int, seconds: float) -> None:
        del aggregate, seconds
        self.read.append(events)


class KeptCounter(Aggregate, identity="counter", snapshot_every=3):
    """Like `Counter`, with a state that changes in place."""

    total: int = 0
    amounts: list[int] = field(default_factory=list[int])

    @execute
    def add(self, command: Add) -> Iterable[Added]:
        if command.amount:
            yield Added(amount=command.amount)

    @execute
    def add_at_most(self, command: AddAtMost) -> Iterable[Added]:
        if self.total + command.amount > command.limit:
            raise TooMuch
        yield Added(amount=command.amount)

    @apply
    def added(self, event: Added) -> None:
        self.total += event.amount
        self.amounts.append(event.amount)
