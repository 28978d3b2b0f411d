"""Prometheus metrics of one process, in a registry of its own.

Counters and histograms are here, with the children of frequent ones looked up beforehand. Gauges
that are read at a scrape, such as the lag of subscriptions, are in `runtime_collector`.
"""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from chekov.engine.observer import (
    CommandObservation,
    DeliveryOutcome,
    Observer,
    Outcome,
    SnapshotOutcome,
)
from chekov.server.command_figures import CommandCounts
from chekov.store.port import SubscriptionKey

_FAST: Final = (
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 5, 10,
)  # fmt: skip
_AGES: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics(Observer):
    """Counts and times what the engine and the listeners report.

    Attributes:
        registry: what `/metrics` exposes.
        counts: of all commands together, to be compared with those of other processes.
    """

    def __init__(self, commands: Iterable[str], subscriptions: Iterable[SubscriptionKey]) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.counts = CommandCounts()
        self._commands = _CommandMetrics(self.registry, self.counts)
        self._store = _StoreMetrics(self.registry)
        self._deliveries = _DeliveryMetrics(self.registry)
        self._http = _HttpMetrics(self.registry)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        for name in commands:
            self._commands.bind(name)
        for key in subscriptions:
            self._deliveries.bind(key)

    def describe(self, **labels: str) -> None:
        """Describe this process by the labels of `chekov_build_info`."""
        info = Gauge(
            "chekov_build_info",
            "Always 1; its labels describe the process.",
            list(labels),
            registry=self.registry,
        )
        info.labels(**labels).set(1)

    def watch(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Also expose the metrics that `collect` returns at each scrape."""
        self.registry.register(_Watch(collect))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format that `Accept` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def watch_event_streams(self, connected: Callable[[], int]) -> None:
        """Also expose how many clients follow events, as `connected` says at each scrape."""
        gauge = Gauge(
            "chekov_event_streams",
            "Clients that follow events, as server-sent events.",
            registry=self.registry,
        )
        gauge.set_function(connected)

    def watch_certificate(self, expires: Callable[[], float], current: Callable[[], bool]) -> None:
        """Also expose when the certificate for TLS expires, and whether its files were usable.

        Args:
            expires: returns seconds since the epoch.
            current: returns whether the certificate in use is the one in its files.
        """
        expiry = Gauge(
            "chekov_tls_certificate_expiry_timestamp_seconds",
            "When the certificate for TLS, or the first of its chain, expires, since the epoch.",
            registry=self.registry,
        )
        expiry.set_function(expires)
        successful = Gauge(
            "chekov_tls_certificate_last_reload_successful",
            "1 if the files of the certificate were usable when they changed last, else 0.",
            registry=self.registry,
        )
        successful.set_function(current)

    @property
    def requests_in_flight(self) -> int:
        """HTTP requests in progress."""
        return self._http.running

    def http(self, method: str, route: str) -> "HttpRoute":
        """The measurements of one route."""
        return HttpRoute(self._http, method, route)

    def command(self, command: str, stream: str) -> CommandObservation:
        return self._commands.start(command)

    def delivered(
        self,
        subscription: SubscriptionKey,
        outcome: DeliveryOutcome,
        events: int,
        seconds: float,
        age: float,
    ) -> None:
        self._deliveries.done(subscription, outcome, events, seconds, age)

    def claimed(self, subscription: SubscriptionKey) -> None:
        self._deliveries.bound(subscription).owner_changes.inc()

    def loaded(self, aggregate: str, events: int, seconds: float) -> None:
        self._store.loads.labels(aggregate).observe(seconds)
        self._store.load_events.labels(aggregate).inc(events)

    def snapshot(self, aggregate: str, outcome: SnapshotOutcome) -> None:
        self._store.snapshots.labels(aggregate, outcome).inc()

    def appended(self, appends: int, events: int, seconds: float) -> None:
        self._store.batch_seconds.observe(seconds)
        self._store.batch_events.observe(events)
        self._store.appends.inc(appends)
        self._store.events.inc(events)

    def missing(self, subscription: SubscriptionKey, events: int) -> None:
        self._deliveries.bound(subscription).missing.inc(events)


class _Watch(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()

    def describe(self) -> Iterable[Metric]:
        return ()


class _CommandMetrics:
    def __init__(self, registry: CollectorRegistry, counts: CommandCounts) -> None:
        self.counts = counts
        self.total = Counter(
            "chekov_commands", "Commands by outcome.", ["command", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "chekov_command_seconds", "Seconds from a command's arrival to its result.",
            ["command"], buckets=_FAST, registry=registry,
        )  # fmt: skip
        self.retries = Counter(
            "chekov_command_retries", "Executions repeated after a version conflict.", ["command"],
            registry=registry,
        )  # fmt: skip
        self._in_flight = Gauge(
            "chekov_commands_in_flight", "Commands in progress or waiting.", registry=registry
        )
        self._in_flight.set_function(lambda: self.running)
        self.running = 0
        self._bound: dict[str, _BoundCommand] = {}

    def bind(self, command: str) -> "_BoundCommand":
        self._bound[command] = bound = _BoundCommand(self, command)
        return bound

    def start(self, command: str) -> "_Observation":
        self.running += 1
        return _Observation(self, self._bound.get(command) or self.bind(command))


class _BoundCommand:
    def __init__(self, metrics: _CommandMetrics, command: str) -> None:
        self.outcomes: dict[str, Counter] = {
            outcome: metrics.total.labels(command, outcome) for outcome in get_args(Outcome)
        }
        self.seconds = metrics.seconds.labels(command)
        self.retries = metrics.retries.labels(command)


class _Observation:
    __slots__ = ("_bound", "_metrics", "_started")

    def __init__(self, metrics: _CommandMetrics, bound: _BoundCommand) -> None:
        self._metrics = metrics
        self._bound = bound
        self._started = perf_counter()

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        self._metrics.running -= 1
        seconds = perf_counter() - self._started
        self._metrics.counts.count(outcome, seconds)
        self._bound.outcomes[outcome].inc()
        self._bound.seconds.observe(seconds)
        if retries:
            self._bound.retries.inc(retries)


class _StoreMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.appends = Counter(
            "chekov_appends", "Appends committed, one per command that yields events.",
            registry=registry,
        )  # fmt: skip
        self.events = Counter(
            "chekov_events_appended", "Events committed by this process.", registry=registry
        )
        self.batch_events = Histogram(
            "chekov_append_batch_events", "Events that were committed together.", buckets=_SIZES,
            registry=registry,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "chekov_append_batch_seconds", "Seconds that one commit took.", buckets=_FAST,
            registry=registry,
        )  # fmt: skip
        self.loads = Histogram(
            "chekov_aggregate_load_seconds", "Seconds to rehydrate one instance from the store.",
            ["aggregate"], buckets=_FAST, registry=registry,
        )  # fmt: skip
        self.load_events = Counter(
            "chekov_aggregate_load_events", "Events read to rehydrate instances.", ["aggregate"],
            registry=registry,
        )  # fmt: skip
        self.snapshots = Counter(
            "chekov_snapshots", "Snapshots by outcome: kept, failed, used or ignored.",
            ["aggregate", "outcome"], registry=registry,
        )  # fmt: skip


# Without the partition: the counts of partitions add up, and each histogram has 18 series.
_SUBSCRIPTION: Final = ("domain", "subscription", "version")


class _DeliveryMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.total = Counter(
            "chekov_deliveries", "Events given to a handler, by outcome.",
            [*_SUBSCRIPTION, "outcome"], registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "chekov_delivery_seconds", "Seconds that a handler took for one event or one batch.",
            _SUBSCRIPTION, buckets=_FAST, registry=registry,
        )  # fmt: skip
        self.age = Histogram(
            "chekov_delivery_age_seconds", "Seconds from an event's commit to its handling.",
            _SUBSCRIPTION, buckets=_AGES, registry=registry,
        )  # fmt: skip
        self.missing = Counter(
            "chekov_events_missing", "Positions absent from history; anything above 0 is a fault.",
            _SUBSCRIPTION, registry=registry,
        )  # fmt: skip
        self.owner_changes = Counter(
            "chekov_subscription_owner_changes", "How often this process became the owner.",
            _SUBSCRIPTION, registry=registry,
        )  # fmt: skip
        self._bound: dict[SubscriptionKey, _BoundSubscription] = {}

    def bind(self, key: SubscriptionKey) -> "_BoundSubscription":
        """Create the series at 0, so that alerts and rates see the first change."""
        self._bound[key] = bound = _BoundSubscription(self, key)
        return bound

    def bound(self, key: SubscriptionKey) -> "_BoundSubscription":
        return self._bound.get(key) or self.bind(key)

    def done(
        self,
        key: SubscriptionKey,
        outcome: DeliveryOutcome,
        events: int,
        seconds: float,
        age: float,
    ) -> None:
        bound = self.bound(key)
        bound.outcomes[outcome].inc(events)
        bound.seconds.observe(seconds)
        bound.age.observe(max(age, 0.0))


class _BoundSubscription:
    def __init__(self, metrics: _DeliveryMetrics, key: SubscriptionKey) -> None:
        labels = (key.domain, key.name, str(key.version))
        self.outcomes: dict[str, Counter] = {
            outcome: metrics.total.labels(*labels, outcome) for outcome in get_args(DeliveryOutcome)
        }
        self.seconds = metrics.seconds.labels(*labels)
        self.age = metrics.age.labels(*labels)
        self.missing = metrics.missing.labels(*labels)
        self.owner_changes = metrics.owner_changes.labels(*labels)


class _HttpMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.total = Counter(
            "chekov_http_requests", "HTTP requests by route and status.",
            ["method", "route", "status"], registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "chekov_http_request_seconds", "Seconds from a request's headers to its response.",
            ["method", "route"], buckets=_FAST, registry=registry,
        )  # fmt: skip
        in_flight = Gauge(
            "chekov_http_requests_in_flight", "HTTP requests in progress.", registry=registry
        )
        in_flight.set_function(lambda: self.running)
        self.running = 0


class HttpRoute:
    """Measures the requests of one route."""

    def __init__(self, metrics: _HttpMetrics, method: str, route: str) -> None:
        self._metrics = metrics
        self._labels = (method, route)
        self._seconds = metrics.seconds.labels(method, route)
        self._statuses: dict[int, Counter] = {}

    def start(self) -> float:
        """A request starts; pass the result to `finish`."""
        self._metrics.running += 1
        return perf_counter()

    def finish(self, started: float, status: int) -> None:
        self._metrics.running -= 1
        counter = self._statuses.get(status)
        if counter is None:
            counter = self._metrics.total.labels(*self._labels, str(status))
            self._statuses[status] = counter
        counter.inc()
        self._seconds.observe(perf_counter() - started)
