"""The workloads, in the order in which they are measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Workload:
    """One table of the report.

    Attributes:
        name: what `--workloads` calls it.
        title: heads the table.
        do: the request that is sent to a worker.
        unit: what is counted.
        given: further fields of the request.
    """

    name: str
    title: str
    do: str
    unit: str = "events"
    given: Mapping[str, int | str] = field(default_factory=dict[str, int | str])

    @property
    def is_followed(self) -> bool:
        """Whether a subscriber takes part."""
        return self.do.startswith("live")

    @property
    def is_lone(self) -> bool:
        """Whether client and Postgres always wait for each other."""
        return self.given.get("in_flight") == 1

    @property
    def has_two_processes(self) -> bool:
        """Whether it is also measured with a second process at the same database."""
        return self.do == "append" and "events" not in self.given


# Subscribers come first: the store is still empty, so that none has to catch up unmeasured.
WORKLOADS = (
    Workload(
        "live",
        "live latency at 1,000 appends a second, the subscriber has a store of its own",
        "live",
        given={"per_second": 1000},
    ),
    Workload(
        "live slow",
        "live latency at 100 appends a second, the subscriber has a store of its own",
        "live",
        given={"per_second": 100},
    ),
    Workload(
        "live here",
        "live latency at 1,000 appends a second, the subscriber shares the store",
        "live_here",
        given={"per_second": 1000},
    ),
    Workload(
        "live busy",
        "live delivery of what 16 writers append at once, the subscriber is in their process",
        "live_busy",
        given={"in_flight": 16},
    ),
    Workload(
        "decide 16",
        "load, decide, append: 16 in flight, aggregates of up to 8 events",
        "decide",
        "commands",
        {"in_flight": 16},
    ),
    Workload("append 1", "append 1 event, 1 in flight", "append", given={"in_flight": 1}),
    Workload("append 16", "append 1 event, 16 in flight", "append", given={"in_flight": 16}),
    Workload("append 64", "append 1 event, 64 in flight", "append", given={"in_flight": 64}),
    Workload("append 256", "append 1 event, 256 in flight", "append", given={"in_flight": 256}),
    Workload(
        "append 100",
        "append 100 events at once, 1 in flight",
        "append",
        given={"in_flight": 1, "events": 100},
    ),
    Workload(
        "project",
        "build a table from the origin, one upsert for each event, exactly once",
        "project",
    ),
    Workload(
        "process",
        "steps of process managers that were requested before, exactly once and in order",
        "process",
        "steps",
    ),
    Workload("catch-up", "catch up from the origin, decoded into typed events", "catch_up"),
)
ALL = frozenset(workload.name for workload in WORKLOADS)
