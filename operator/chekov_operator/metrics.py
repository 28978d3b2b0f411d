"""The operator's own metrics."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chekov_operator.kube.kinds import Key


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.reconciles = Counter(
            "chekov_operator_reconciles",
            "Reconciliations that ended, by kind and outcome (done, failed)",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "chekov_operator_reconcile_seconds",
            "Time of one reconciliation, in seconds",
            ["kind"],
            registry=self.registry,
        )
        self.depth = Gauge(
            "chekov_operator_queue_depth",
            "Objects that wait to be reconciled",
            registry=self.registry,
        )
        self.oldest = Gauge(
            "chekov_operator_queue_oldest_seconds",
            "How long the object that has waited longest waits, in seconds",
            registry=self.registry,
        )
        self.waits = Histogram(
            "chekov_operator_queue_wait_seconds",
            "Time between a change and the start of its reconciliation, in seconds",
            registry=self.registry,
        )
        self.calls = Counter(
            "chekov_operator_api_calls",
            "Requests to the Kubernetes API, by method, kind and status (0: no answer)",
            ["method", "kind", "code"],
            registry=self.registry,
        )
        self.leading = Gauge(
            "chekov_operator_leader", "1 while this replica leads", registry=self.registry
        )
        self.namespaces = Gauge(
            "chekov_operator_namespace_readable",
            "1 for a namespace of watchNamespaces that can be read, 0 for one that cannot",
            ["namespace"],
            registry=self.registry,
        )
        self.events = Counter(
            "chekov_operator_watch_events",
            "Changes seen by watches, by kind",
            ["kind"],
            registry=self.registry,
        )
        self._calls: dict[tuple[str, str, int], Counter] = {}
        self._conditions: dict[Key, Mapping[str, tuple[str, str]]] = {}
        self.watch(self._collect_conditions)

    def watch(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Also expose the metrics that `collect` returns at each scrape."""
        self.registry.register(_Watch(collect))

    def set_conditions(self, key: Key, conditions: Mapping[str, tuple[str, str]]) -> None:
        """Set the conditions of an object: status and reason by type."""
        self._conditions[key] = conditions

    def forget(self, key: Key) -> None:
        """Drop the conditions of an object that was deleted."""
        self._conditions.pop(key, None)

    def count_call(self, method: str, kind: str, code: int) -> None:
        # Finding a counter by its labels takes as long as raising it.
        counted = self._calls.get((method, kind, code))
        if counted is None:
            counted = self._calls[method, kind, code] = self.calls.labels(method, kind, str(code))
        counted.inc()

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)

    def _collect_conditions(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "chekov_operator_condition",
            "Always 1; the labels are an object's condition, its status and its reason",
            labels=("kind", "namespace", "name", "type", "status", "reason"),
        )
        for key, conditions in self._conditions.items():
            for kind, (status, reason) in conditions.items():
                family.add_metric((key.kind, key.namespace, key.name, kind, status, reason), 1)
        return [family]


class _Watch(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()
