"""The audit finds what watches did not tell, and so whether they live."""

import pytest

from chekov_operator.audit import Audit
from chekov_operator.client import Client
from chekov_operator.metrics import Metrics
from chekov_operator.queue import Queue
from chekov_operator.resources import BUNDLE, DEPLOYMENT, Key, Object
from chekov_operator.world import World
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body

PATH = BUNDLE.path("shops", "bank")
PLACE = ("DomainBundle", "shops", "bank")
CHILD = DEPLOYMENT.path("shops", "bank")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def audit(client: Client, world: World) -> Audit:
    return Audit(client, world, ())


@pytest.fixture
async def queue(metrics: Metrics) -> Queue:
    return Queue(metrics)


def deployment() -> Object:
    labels = {"app.kubernetes.io/managed-by": "chekov-operator", "chekov.dev/bundle": "bank"}
    return {"metadata": {"labels": labels}, "spec": {"replicas": 2}}


async def test_at_the_start_everything_of_ours_is_taken_in(
    api: FakeApi, audit: Audit, world: World
) -> None:
    api.put(PATH, bundle_body())
    api.put(CHILD, deployment())
    api.put(DEPLOYMENT.path("shops", "theirs"), {})
    await audit.fill()
    assert world.get(BUNDLE, "shops", "bank") is not None
    assert sorted(world.children(Key(*PLACE))) == [("Deployment", "bank")]
    assert world.get(DEPLOYMENT, "shops", "theirs") is None


async def test_only_the_namespaces_that_are_served_are_asked(
    api: FakeApi, client: Client, world: World
) -> None:
    api.put(PATH, bundle_body())
    api.put(BUNDLE.path("other", "bank"), bundle_body())
    await Audit(client, world, ("shops",)).fill()
    assert list(world.keys()) == [Key(*PLACE)]
    assert all("/namespaces/shops/" in request.path for request in api.requests)


async def test_what_watches_told_is_not_late(
    api: FakeApi, audit: Audit, world: World, queue: Queue
) -> None:
    world.put(BUNDLE, api.put(PATH, bundle_body()), watched=True)
    assert await audit.undelivered(queue) == {}


async def test_a_change_that_no_watch_told_of_is_late_until_one_does(
    api: FakeApi, audit: Audit, world: World, queue: Queue
) -> None:
    world.put(BUNDLE, api.put(PATH, bundle_body()), watched=True)
    newer = api.put(PATH, bundle_body(replicas=5))
    late = await audit.undelivered(queue)
    assert late == {PLACE: int(newer["metadata"]["resourceVersion"])}
    assert audit.still_missing(late) == [PLACE]
    world.put(BUNDLE, newer, watched=True)
    assert audit.still_missing(late) == []


async def test_an_answer_to_a_request_of_ours_is_no_sign_of_life(
    api: FakeApi, audit: Audit, world: World, queue: Queue
) -> None:
    world.put(BUNDLE, api.put(PATH, bundle_body()))
    late = await audit.undelivered(queue)
    assert audit.still_missing(late) == [PLACE]


async def test_what_went_unnoticed_is_forgotten_and_its_owner_looked_at(
    api: FakeApi, audit: Audit, world: World, queue: Queue, metrics: Metrics
) -> None:
    world.put(DEPLOYMENT, api.put(CHILD, deployment()), watched=True)
    del api.objects[CHILD]
    await audit.undelivered(queue)
    assert world.get(DEPLOYMENT, "shops", "bank") is None
    assert metrics.registry.get_sample_value("chekov_operator_queue_depth") == 1


async def test_later_looks_ask_for_metadata_only(api: FakeApi, audit: Audit, queue: Queue) -> None:
    await audit.undelivered(queue)
    assert all("PartialObjectMetadata" in item.headers["Accept"] for item in api.requests)
