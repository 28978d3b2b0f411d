"""Changes go into the cache, and the keys of the objects concerned into the queue."""

import itertools
from collections.abc import Iterable
from typing import Any

import kopf
import pytest

from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import (
    AUTOSCALER,
    BUNDLE,
    DEPLOYMENT,
    JOB,
    POD,
    STORE,
    SUBSCRIPTION,
    Key,
    Kind,
)
from chekov_operator.kube.namespaces import Namespaces
from chekov_operator.kube.objects import Object
from chekov_operator.kube.watch import Watch, configured
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics
from tests.operator.samples import bundle_body, store_body

BANK = Key("DomainBundle", "shops", "bank")
MAIN = Key("EventStore", "shops", "main")


class Keys(WorkQueue):
    """Remembers what was added."""

    def __init__(self) -> None:
        super().__init__(Metrics())
        self.added: list[Key] = []

    def add(self, key: Key) -> None:
        self.added.append(key)

    def taken(self) -> list[Key]:
        taken, self.added = self.added, []
        return taken


@pytest.fixture
def queue() -> Keys:
    return Keys()


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def watch(queue: Keys, cache: Cache, client: Client, health: Health, metrics: Metrics) -> Watch:
    return Watch(queue, cache, Namespaces(client, cache, (), health, metrics), metrics)


def child(name: str = "x", **labels: str) -> Object:
    return {"metadata": {"name": name, "namespace": "shops", "labels": labels}}


def bank(store: str = "main") -> Object:
    return bundle_body(eventStoreRef={"name": store})


@pytest.mark.parametrize("change", [None, "ADDED", "MODIFIED", "DELETED"])
def test_a_change_of_a_bundle_concerns_it(watch: Watch, queue: Keys, change: str | None) -> None:
    watch.receive(BUNDLE, change, bank())
    assert queue.taken() == [BANK]


@pytest.mark.parametrize("kind", [DEPLOYMENT, JOB, POD], ids=lambda kind: kind.name)
def test_a_change_of_a_child_concerns_its_owner(watch: Watch, queue: Keys, kind: Any) -> None:
    watch.receive(kind, "MODIFIED", child(**{"chekov.dev/bundle": "bank"}))
    watch.receive(kind, "DELETED", child("y", **{"chekov.dev/store": "main"}))
    assert queue.taken() == [BANK, MAIN]


def test_a_child_whose_label_was_taken_away_concerns_the_owner_it_had(
    watch: Watch, queue: Keys
) -> None:
    watch.receive(DEPLOYMENT, "ADDED", child(**{"chekov.dev/bundle": "bank"}))
    queue.taken()
    watch.receive(DEPLOYMENT, "MODIFIED", child())
    assert queue.taken() == [BANK]
    watch.receive(DEPLOYMENT, "MODIFIED", child(**{"chekov.dev/store": "main"}))
    assert queue.taken() == [MAIN]


def test_a_change_of_what_is_nobodys_concerns_nobody(watch: Watch, queue: Keys) -> None:
    watch.receive(DEPLOYMENT, "MODIFIED", child())
    assert queue.taken() == []


def test_a_change_of_a_store_concerns_the_bundles_that_use_it(watch: Watch, queue: Keys) -> None:
    watch.receive(BUNDLE, None, bank())
    queue.taken()
    watch.receive(STORE, "MODIFIED", store_body())
    assert queue.taken() == [MAIN, BANK]


def test_a_bundle_that_moved_to_another_store_is_no_longer_concerned(
    watch: Watch, queue: Keys
) -> None:
    watch.receive(BUNDLE, None, bank())
    watch.receive(BUNDLE, "MODIFIED", bank("other"))
    queue.taken()
    watch.receive(STORE, "MODIFIED", store_body())
    assert queue.taken() == [MAIN]


def test_a_bundle_that_is_gone_is_no_longer_concerned(watch: Watch, queue: Keys) -> None:
    watch.receive(BUNDLE, None, bank())
    watch.receive(BUNDLE, "DELETED", bank())
    queue.taken()
    watch.receive(STORE, "MODIFIED", store_body())
    assert queue.taken() == [MAIN]


def test_the_cache_is_updated(watch: Watch, cache: Cache, metrics: Metrics) -> None:
    watch.receive(BUNDLE, "ADDED", bank())
    assert cache.get(BUNDLE, "shops", "bank") is not None
    watch.receive(BUNDLE, "DELETED", bank())
    assert cache.get(BUNDLE, "shops", "bank") is None
    count = metrics.registry.get_sample_value(
        "chekov_operator_watch_events_total", {"kind": "DomainBundle"}
    )
    assert count == 2


def test_kopf_is_set_to_write_nothing() -> None:
    settings = configured(kopf.OperatorSettings(), namespaced=False)
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is False


def test_in_some_namespaces_kopf_looks_for_no_others_and_gives_none_up() -> None:
    settings = configured(kopf.OperatorSettings(), namespaced=True, longest_pause=15)
    assert settings.scanning.disabled is True
    pauses = settings.networking.error_backoffs
    assert isinstance(pauses, Iterable)
    # Each request goes through them from the beginning.
    for _ in range(2):
        first = list(itertools.islice(pauses, 100))
        assert len(first) == 100
        assert first[0] < 2
        assert 10 < first[-1] < 20


def test_a_change_in_a_namespace_that_is_not_yet_known_decides_nothing(
    watch: Watch, queue: Keys, health: Health, cache: Cache
) -> None:
    health.unreadable.append("shops")
    watch.receive(BUNDLE, None, bank())
    assert queue.taken() == []
    assert cache.find(BANK) is not None


@pytest.mark.parametrize(
    ("kind", "change", "own", "concerns_bank"),
    [
        (SUBSCRIPTION, {"status": {"lag": 2}}, True, False),
        (SUBSCRIPTION, {"spec": {"suspend": True}}, True, True),
        (AUTOSCALER, {"status": {"currentMetrics": [2]}}, False, False),
        (AUTOSCALER, {"status": {"conditions": [{"type": "AbleToScale"}]}}, False, True),
        (AUTOSCALER, {"spec": {"maxReplicas": 9}}, False, True),
        (DEPLOYMENT, {"status": {"readyReplicas": 2}}, False, True),
    ],
)
def test_figures_that_move_concern_no_owner(
    watch: Watch, queue: Keys, kind: Kind, change: Object, *, own: bool, concerns_bank: bool
) -> None:
    before: Object = {**child(**{"chekov.dev/bundle": "bank"}), "spec": {}, "status": {}}
    watch.receive(kind, "ADDED", before)
    assert BANK in queue.taken()
    watch.receive(kind, "MODIFIED", {**before, **change})
    key = Key(kind.name, "shops", "x")
    assert queue.taken() == [*([key] if own else []), *([BANK] if concerns_bank else [])]
    watch.receive(kind, "DELETED", before)
    assert BANK in queue.taken()
