"""The watch check finds changes that watches did not deliver."""

import pytest

from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, DEPLOYMENT, WATCHED
from chekov_operator.kube.namespaces import Namespaces
from chekov_operator.kube.objects import Object
from chekov_operator.kube.watch_check import WatchCheck
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body

PATH = BUNDLE.path("shops", "bank")
PLACE = ("DomainBundle", "shops", "bank")
CHILD = DEPLOYMENT.path("shops", "bank")


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def namespaces(client: Client, cache: Cache, metrics: Metrics) -> Namespaces:
    return Namespaces(client, cache, (), Health(), metrics)


@pytest.fixture
def watch_check(client: Client, cache: Cache, namespaces: Namespaces) -> WatchCheck:
    return WatchCheck(client, cache, namespaces)


@pytest.fixture
async def queue(metrics: Metrics) -> WorkQueue:
    return WorkQueue(metrics)


def deployment() -> Object:
    labels = {"app.kubernetes.io/managed-by": "chekov-operator", "chekov.dev/bundle": "bank"}
    owner = {"uid": "bundle-uid", "controller": True}
    return {"metadata": {"labels": labels, "ownerReferences": [owner]}, "spec": {"replicas": 2}}


async def test_a_delivered_change_is_not_late(
    api: FakeApi, watch_check: WatchCheck, cache: Cache, queue: WorkQueue
) -> None:
    cache.put(BUNDLE, api.put(PATH, bundle_body()), watched=True)
    assert await watch_check.undelivered(queue) == {}


async def test_a_change_is_late_until_a_watch_delivers_it(
    api: FakeApi, watch_check: WatchCheck, cache: Cache, queue: WorkQueue
) -> None:
    cache.put(BUNDLE, api.put(PATH, bundle_body()), watched=True)
    newer = api.put(PATH, bundle_body(replicas=5))
    late = await watch_check.undelivered(queue)
    assert late == {PLACE: int(newer["metadata"]["resourceVersion"])}
    assert watch_check.still_undelivered(late) == [PLACE]
    cache.put(BUNDLE, newer, watched=True)
    assert watch_check.still_undelivered(late) == []


async def test_an_answer_to_a_request_of_ours_is_no_sign_of_life(
    api: FakeApi, watch_check: WatchCheck, cache: Cache, queue: WorkQueue
) -> None:
    cache.put(BUNDLE, api.put(PATH, bundle_body()))
    late = await watch_check.undelivered(queue)
    assert watch_check.still_undelivered(late) == [PLACE]


async def test_an_undelivered_deletion_is_dropped_and_its_owner_queued(
    api: FakeApi, watch_check: WatchCheck, cache: Cache, queue: WorkQueue, metrics: Metrics
) -> None:
    cache.put(DEPLOYMENT, api.put(CHILD, deployment()), watched=True)
    del api.objects[CHILD]
    await watch_check.undelivered(queue)
    assert cache.get(DEPLOYMENT, "shops", "bank") is None
    assert metrics.registry.get_sample_value("chekov_operator_queue_depth") == 1


async def test_later_checks_list_metadata_only(
    api: FakeApi, watch_check: WatchCheck, queue: WorkQueue
) -> None:
    await watch_check.undelivered(queue)
    accepted = [item.headers["Accept"] for item in api.requests]
    assert len(accepted) == len(WATCHED)
    assert [accept for accept in accepted if "PartialObjectMetadata" not in accept] == []
