"""Gauges that are read at each scrape: lag and state of subscriptions, aggregates in memory.

A subscription's series carry its version and partition, so that two of them never share one.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from chekov.engine.commands.instance_cache import Reason
from chekov.engine.subscriptions.status import SubscriptionStatus
from chekov.errors import StoreError
from chekov.runtime import Runtime
from chekov.store.port import ProcessFigures, RecordedEvent, SubscriptionKey, SubscriptionRow

_STORE_TIMEOUT: Final = 1.0

_LABELS: Final = ("domain", "subscription", "version", "partition")
_GENERATION_LABELS: Final = ("domain", "subscription", "version", "generation")
_GAUGES: Final = {
    "subscription_position": "Position up to which a subscription has handled all events.",
    "subscription_head": "Position of the store's last event, as the subscription knows it.",
    "subscription_lag_events": "Events between a subscription's position and the head.",
    "subscription_lag_seconds": "Age of the oldest event that a subscription has not handled.",
    "subscription_owned": "1 if this process runs the subscription.",
    "parked_events": "Events set aside after their last attempt.",
    "parked_keys": "Keys whose later events wait behind one that was set aside.",
}

_PROCESS_GAUGES: Final = {
    "process_instances": "Open instances of a process manager.",
    "outbox_pending": "Commands of a process manager that are not executed, or refused.",
    "outbox_oldest_seconds": "Seconds since the first of these commands was put into the outbox.",
    "timers_overdue_seconds": "Seconds since the first timer that is due should have been handled.",
}
"""In the order of the fields of `ProcessFigures`."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class RuntimeCollector:
    """Collects the gauges of a runtime; without one they have no series.

    Attributes:
        runtime: set once it is open.

    Args:
        clock: returns the time, with a zone.
    """

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self.runtime: Runtime | None = None
        self._now = clock
        self._rows: Mapping[SubscriptionKey, SubscriptionRow] = {}
        self._oldest: Mapping[SubscriptionKey, RecordedEvent] = {}
        self._figures: Mapping[SubscriptionKey, ProcessFigures] = {}
        self._refused = 0
        self._abandoned = 0

    async def refresh(self) -> None:
        """Read what only the store knows; if that fails, keep what was read last."""
        if self.runtime is None:
            return
        store, domain = self.runtime.store, self.runtime.domain
        try:
            async with asyncio.timeout(_STORE_TIMEOUT):
                rows = await store.subscriptions.list(domain.name)
                oldest = await self._unhandled({row.key: row for row in rows})
                figures = (
                    await store.processes.figures(domain.name) if domain.process_managers else ()
                )
                refused = await store.schedules.refused(domain.name)
                abandoned = await self.runtime.abandoned.list()
        except (StoreError, TimeoutError):
            return
        self._refused = refused
        self._abandoned = len(abandoned)
        self._rows = {row.key: row for row in rows}
        self._oldest = oldest
        self._figures = {item.key: item for item in figures}

    async def _unhandled(
        self, rows: Mapping[SubscriptionKey, SubscriptionRow]
    ) -> Mapping[SubscriptionKey, RecordedEvent]:
        """The oldest event that each subscription has not handled, if there is one.

        Raises:
            StoreError: the store is away.
        """
        if self.runtime is None:
            return {}
        store = self.runtime.store
        read: dict[int, Sequence[RecordedEvent]] = {}
        found: dict[SubscriptionKey, RecordedEvent] = {}
        for key, status in self._statuses():
            position = max(status.position, rows[key].position if key in rows else 0)
            if position not in read:
                cached = store.tail.cached(position, 1)
                read[position] = (
                    await store.read_page(after=position, limit=1) if cached is None else cached
                )
            if read[position]:
                found[key] = read[position][0]
        return found

    def _lag_seconds(self, key: SubscriptionKey, status: SubscriptionStatus) -> float:
        oldest = self._oldest.get(key)
        if oldest is None or status.position >= oldest.position:
            return 0.0
        return max(0.0, (self._now() - oldest.time).total_seconds())

    def _statuses(self) -> Iterable[tuple[SubscriptionKey, SubscriptionStatus]]:
        """One for each series: of a projection, the generation that serves, or is the first."""
        found: dict[SubscriptionKey, tuple[SubscriptionKey, SubscriptionStatus]] = {}
        for key, status in self.runtime.subscriptions.items() if self.runtime else ():
            found.setdefault(replace(key, generation=1), (key, status))
        return found.values()

    def collect(self) -> Iterable[Metric]:
        """The gauges as they are now."""
        instances = GaugeMetricFamily(
            "chekov_instances",
            "Aggregates held in memory.",
            value=self.runtime.instances if self.runtime else 0,
        )
        cache = self.runtime.engine.dispatcher.aggregates.instances if self.runtime else None
        size = GaugeMetricFamily(
            "chekov_instance_bytes",
            "What the aggregates in memory take, as estimated.",
            value=cache.bytes if cache else 0,
        )
        dropped = CounterMetricFamily(
            "chekov_instances_dropped",
            "Aggregates dropped from memory: beyond the bound on count or bytes, or idle.",
            labels=("reason",),
        )
        for reason in get_args(Reason):
            dropped.add_metric((reason,), cache.dropped[reason] if cache else 0)
        families = {
            name: GaugeMetricFamily(f"chekov_{name}", meaning, labels=_LABELS)
            for name, meaning in _GAUGES.items()
        }
        states = GaugeMetricFamily(
            "chekov_subscription_state",
            "1 for the state that a subscription is in, as this process knows it.",
            labels=(*_LABELS, "state"),
        )
        for key, status in self._statuses():
            labels = (key.domain, key.name, str(key.version), str(key.partition))
            row = self._rows.get(key)
            values = {
                "subscription_position": status.position,
                "subscription_head": status.head,
                "subscription_lag_events": status.lag,
                "subscription_lag_seconds": self._lag_seconds(key, status),
                "subscription_owned": status.owned,
                "parked_events": row.parked if row else status.parked,
                "parked_keys": row.parked_keys if row else status.parked_keys,
            }
            for name, value in values.items():
                families[name].add_metric(labels, value)
            states.add_metric((*labels, status.state), 1)
        return [
            instances,
            size,
            dropped,
            *families.values(),
            states,
            self._building(),
            self._of_domain(
                "chekov_scheduled_refused",
                "Scheduled commands that were refused, and are kept with the reason.",
                self._refused,
            ),
            self._of_domain(
                "chekov_subscriptions_abandoned",
                "Subscriptions in the store whose handler, in its version, no living process has.",
                self._abandoned,
            ),
            *self._boundaries(),
            *self._processes(),
        ]

    def _of_domain(self, name: str, meaning: str, value: int) -> Metric:
        family = GaugeMetricFamily(name, meaning, labels=("domain",))
        if self.runtime is not None:
            family.add_metric((self.runtime.domain.name,), value)
        return family

    def _boundaries(self) -> Iterable[Metric]:
        engine = self.runtime.engine if self.runtime else None
        return [
            GaugeMetricFamily(
                "chekov_tag_kinds_incomplete",
                "Kinds of tags by which this process cannot decide yet.",
                value=len(engine.tag_index.incomplete) if engine else 0,
            ),
            GaugeMetricFamily(
                "chekov_tag_index_remaining",
                "Positions whose events are still to be looked at for missing tags.",
                value=engine.tag_index.remaining if engine else 0,
            ),
            CounterMetricFamily(
                "chekov_conditions_checked",
                "Accepted conditions that were checked again.",
                value=engine.dispatcher.conditions.checked if engine else 0,
            ),
            CounterMetricFamily(
                "chekov_condition_violations",
                "Of these, those that had not held.",
                value=engine.dispatcher.conditions.violations if engine else 0,
            ),
        ]

    def _processes(self) -> Iterable[Metric]:
        families = [
            GaugeMetricFamily(f"chekov_{name}", meaning, labels=_LABELS)
            for name, meaning in _PROCESS_GAUGES.items()
        ]
        for key, status in self._statuses():
            if status.kind == "process":
                labels = (key.domain, key.name, str(key.version), str(key.partition))
                _, *values = self._figures.get(key, ProcessFigures(key, 0, 0, 0, 0))
                for family, value in zip(families, values, strict=True):
                    family.add_metric(labels, value)
        return families

    def _building(self) -> Metric:
        family = GaugeMetricFamily(
            "chekov_projection_building_ratio",
            "How much of a projection's generation is built, from 0 to 1; only while it is built.",
            labels=_GENERATION_LABELS,
        )
        for item in self.runtime.projections.generations if self.runtime else ():
            if item.state == "building":
                key = item.key
                labels = (key.domain, key.name, str(key.version), str(key.generation))
                family.add_metric(labels, item.ratio)
        return family
