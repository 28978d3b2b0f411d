"""The operator's own metrics."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

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
        self.objects = Gauge(
            "chekov_operator_objects",
            "Objects by kind and whether they are ready",
            ["kind", "ready"],
            registry=self.registry,
        )

        self._ready: dict[Key, str] = {}

    def set_ready(self, key: Key, ready: str | None) -> None:
        """Count an object under the status of its condition `Ready`."""
        self.forget(key)
        if ready is not None:
            self._ready[key] = ready
            self.objects.labels(key.kind, ready).inc()

    def forget(self, key: Key) -> None:
        """Stop counting an object that was deleted."""
        before = self._ready.pop(key, None)
        if before is not None:
            self.objects.labels(key.kind, before).dec()

    def count_call(self, method: str, kind: str, code: int) -> None:
        self.calls.labels(method, kind, str(code)).inc()

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)
