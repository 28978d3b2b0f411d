"""Where subscriptions and instances stand, as gauges that are read when they are scraped."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from chekov.errors import StoreError
from chekov.runtime import Runtime

_LOOK_SECONDS: Final = 1.0

_GAUGES: Final = {
    "subscription_position": "Position that a subscription has handled.",
    "subscription_head": "Position of the store's last event, as the subscription knows it.",
    "subscription_lag_events": "Events between a subscription and the head.",
    "subscription_owned": "1 when this process runs the subscription.",
    "parked_events": "Events set aside after their retries, for a person to look at.",
}


class RuntimeCollector:
    """Tells of a runtime that may not be open yet.

    Attributes:
        runtime: set when it is open.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self._parked: Mapping[tuple[str, int], int] = {}

    async def look(self) -> None:
        """Ask the store what only it knows; when it does not answer, the last answer stands."""
        if self.runtime is None:
            return
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                rows = await self.runtime.store.subscriptions.list(self.runtime.domain.name)
        except (StoreError, TimeoutError):
            return
        parked: dict[tuple[str, int], int] = {}
        for row in rows:
            key = row.key.name, row.key.version
            parked[key] = parked.get(key, 0) + row.parked
        self._parked = parked

    def collect(self) -> Iterable[Metric]:
        """The gauges as they are now."""
        instances = GaugeMetricFamily(
            "chekov_instances",
            "Aggregates held in memory.",
            value=self.runtime.instances if self.runtime else 0,
        )
        families = {
            name: GaugeMetricFamily(f"chekov_{name}", meaning, labels=["subscription"])
            for name, meaning in _GAUGES.items()
        }
        states = GaugeMetricFamily(
            "chekov_subscription_state",
            "1 for the state that a subscription is in, as this process knows it.",
            labels=["subscription", "state"],
        )
        for item in self.runtime.subscriptions.values() if self.runtime else ():
            parked = self._parked.get((item.name, item.version), item.parked)
            families["subscription_position"].add_metric([item.name], item.position)
            families["subscription_head"].add_metric([item.name], item.head)
            families["subscription_lag_events"].add_metric([item.name], item.lag)
            families["subscription_owned"].add_metric([item.name], item.owned)
            families["parked_events"].add_metric([item.name], parked)
            states.add_metric([item.name, item.state], 1)
        return [instances, *families.values(), states]
