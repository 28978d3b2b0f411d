"""Gauges of the stores that are polled, as they were last read."""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from chekov.store.postgres.inspect import StoreStatus
from chekov_operator.kube.kinds import Key
from chekov_operator.stores.poller import Reading

_LABELS: Final = ("namespace", "name")
_GAUGES: Final = {
    "position": "Position of a store's last event",
    "streams": "Streams of a store, as Postgres estimates",
    "bytes": "Bytes of a store's tables and indexes",
    "connections": "Connections to the server of a store, to all of its databases",
    "connection_limit": "Connections that this server takes, but for those that it reserves",
}
"""By the field of `StoreStatus`."""


def store_metrics(readings: Iterable[tuple[Key, Reading]]) -> Iterable[Metric]:
    """The gauges of each store; one that cannot be read has none."""
    states = [(key, reading.state) for key, reading in readings if reading.state is not None]
    return [_family(field, meaning, states) for field, meaning in _GAUGES.items()]


def _family(field: str, meaning: str, states: Sequence[tuple[Key, StoreStatus]]) -> Metric:
    family = GaugeMetricFamily(f"chekov_operator_store_{field}", meaning, labels=_LABELS)
    for key, state in states:
        family.add_metric((key.namespace, key.name), getattr(state, field))
    return family
