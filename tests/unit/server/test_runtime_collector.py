"""Gauges of subscriptions and instances are read at each scrape."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from chekov.errors import StoreUnavailable
from chekov.server.runtime_collector import RuntimeCollector
from chekov.store.memory.subscriptions import MemorySubscriptions
from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov.watermark import Watermark
from tests.unit.server.conftest import ID, OPEN, Serving

LABELS = {"domain": "shop", "subscription": "welcome", "version": "1", "partition": "0"}


def samples(collector: RuntimeCollector, name: str) -> Iterable[tuple[dict[str, str], float]]:
    (family,) = (item for item in collector.collect() if item.name == name)
    return [(sample.labels, sample.value) for sample in family.samples]


class Away(MemorySubscriptions):
    """Does not list its rows."""

    async def list(self, domain: str) -> list[SubscriptionRow]:
        raise StoreUnavailable("nobody answers")


def test_without_a_runtime_there_are_no_series_of_subscriptions() -> None:
    collector = RuntimeCollector()
    assert samples(collector, "chekov_subscription_lag_events") == []
    assert samples(collector, "chekov_instances") == [({}, 0.0)]


async def test_the_lag_of_a_subscription_is_collected(serving: Serving) -> None:
    async with serving() as server:
        collector = RuntimeCollector()
        collector.runtime = server.runtime
        server.welcome.open.clear()
        await server.api.post("/commands/OpenAccount", json=OPEN)
        await server.api.post("/commands/deposit-money", json={"account_id": ID, "amount": 1})
        assert samples(collector, "chekov_instances") == [({}, 1.0)]
        assert samples(collector, "chekov_subscription_position") == [(LABELS, 0.0)]
        server.welcome.open.set()
        await server.runtime.wait(2)
        assert samples(collector, "chekov_subscription_lag_events") == [(LABELS, 0.0)]
        assert samples(collector, "chekov_subscription_position") == [(LABELS, 2.0)]
        assert samples(collector, "chekov_subscription_state") == [
            ({**LABELS, "state": "live"}, 1.0)
        ]


async def test_parked_events_are_collected_although_the_store_is_unavailable(
    serving: Serving,
) -> None:
    async with serving(CHEKOV_RETRY_ATTEMPTS="1") as server:
        collector = RuntimeCollector()
        collector.runtime = server.runtime
        server.welcome.failure = "no greeting today"
        await server.api.post("/commands/OpenAccount", json=OPEN, headers={"Prefer": "wait=30"})
        await collector.refresh()
        assert samples(collector, "chekov_parked_events") == [(LABELS, 1.0)]
        assert samples(collector, "chekov_parked_keys") == [(LABELS, 1.0)]
        rows = server.store.subscriptions
        server.store.subscriptions = Away(lambda: datetime.now(UTC), lambda: 0, Watermark())
        await collector.refresh()
        server.store.subscriptions = rows
        assert samples(collector, "chekov_parked_events") == [(LABELS, 1.0)]


async def test_the_lag_in_seconds_is_the_age_of_the_oldest_unhandled_event(
    serving: Serving,
) -> None:
    """It is read from the store when the event is no longer cached, and 0 once caught up."""
    async with serving() as server:
        collector = RuntimeCollector(clock=lambda: datetime.now(UTC) + timedelta(hours=1))
        collector.runtime = server.runtime
        server.welcome.open.clear()
        await server.api.post("/commands/OpenAccount", json=OPEN)
        for cached in (True, False):
            if not cached:
                server.store.tail.drop()
            await collector.refresh()
            [(labels, seconds)] = samples(collector, "chekov_subscription_lag_seconds")
            assert labels == LABELS
            assert 3600 <= seconds < 7200
        server.welcome.open.set()
        await server.runtime.wait(1)
        assert samples(collector, "chekov_subscription_lag_seconds") == [(LABELS, 0.0)]
        await collector.refresh()
        assert samples(collector, "chekov_subscription_lag_seconds") == [(LABELS, 0.0)]


async def test_abandoned_subscriptions_are_counted(serving: Serving) -> None:
    async with serving() as server:
        collector = RuntimeCollector()
        assert samples(collector, "chekov_subscriptions_abandoned") == []
        collector.runtime = server.runtime
        counted = partial(samples, collector, "chekov_subscriptions_abandoned")
        await collector.refresh()
        assert counted() == [({"domain": "shop"}, 0.0)]
        keys = [SubscriptionKey("shop", "goodbye", 1, partition) for partition in range(3)]
        await server.runtime.store.subscriptions.register(keys)
        await collector.refresh()
        assert counted() == [({"domain": "shop"}, 1.0)]
        await server.runtime.abandoned.remove("goodbye", 1)
        await collector.refresh()
        assert counted() == [({"domain": "shop"}, 0.0)]


async def test_boundaries_are_collected(serving: Serving) -> None:
    """Nothing is missing where nothing is decided by tags."""
    names = ("tag_kinds_incomplete", "tag_index_remaining", "conditions_checked")
    async with serving() as server:
        collector = RuntimeCollector()
        for runtime in (None, server.runtime):
            collector.runtime = runtime
            for name in (*names, "condition_violations"):
                assert samples(collector, f"chekov_{name}") == [({}, 0.0)]
