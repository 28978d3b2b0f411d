"""Namespaces that are served, also while one of them is gone."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, DEPLOYMENT, Key
from chekov_operator.kube.namespaces import Namespaces
from chekov_operator.kube.work_queue import WorkQueue
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body
from tests.waiting import until

BANK = Key("DomainBundle", "shops", "bank")
GAME = Key("DomainBundle", "games", "bank")


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def queue(metrics: Metrics) -> WorkQueue:
    return WorkQueue(metrics)


@pytest.fixture
def namespaces(client: Client, cache: Cache, health: Health, metrics: Metrics) -> Namespaces:
    return Namespaces(client, cache, ("shops", "games"), health, metrics)


@pytest.fixture(autouse=True)
def _objects(api: FakeApi) -> None:
    for key in (BANK, GAME, Key("DomainBundle", "other", "bank")):
        api.put(BUNDLE.path(key.namespace, key.name), {"spec": bundle_body()["spec"]})


@asynccontextmanager
async def following(
    namespaces: Namespaces, queue: WorkQueue, handle: Callable[[Key], Awaitable[None]]
) -> AsyncGenerator[None]:
    """A worker, and looks at the namespaces without a pause, for the time of the block."""
    tasks = [
        asyncio.create_task(queue.work(handle)),
        asyncio.create_task(namespaces.run(queue, pause=0)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_readable(metrics: Metrics, namespace: str) -> float | None:
    name = "chekov_operator_namespace_readable"
    return metrics.registry.get_sample_value(name, {"namespace": namespace})


async def test_at_the_start_everything_of_ours_is_taken_in(
    api: FakeApi, client: Client, cache: Cache, health: Health, metrics: Metrics
) -> None:
    labels = {"app.kubernetes.io/managed-by": "chekov-operator", "chekov.dev/bundle": "bank"}
    bank = api.objects[BUNDLE.path("shops", "bank")]
    owner = {"uid": bank["metadata"]["uid"], "controller": True}
    child = {"metadata": {"labels": labels, "ownerReferences": [owner]}}
    api.put(DEPLOYMENT.path("shops", "bank"), child)
    api.put(DEPLOYMENT.path("shops", "theirs"), {})
    everywhere = Namespaces(client, cache, (), health, metrics)
    await everywhere.fill()
    assert len(list(cache.owners())) == 3
    assert sorted(cache.children(BANK)) == [("Deployment", "bank")]
    assert cache.get(DEPLOYMENT, "shops", "theirs") is None
    assert everywhere.readable() == (None,)


async def test_only_the_namespaces_that_are_served_are_asked(
    api: FakeApi, namespaces: Namespaces, cache: Cache
) -> None:
    await namespaces.fill()
    assert set(cache.owners()) == {BANK, GAME}
    assert namespaces.readable() == ["shops", "games"]
    paths = [request.path for request in api.requests]
    assert paths
    assert [path for path in paths if "/shops/" not in path and "/games/" not in path] == []


async def test_a_namespace_that_is_gone_keeps_no_other_from_being_served(
    api: FakeApi,
    namespaces: Namespaces,
    cache: Cache,
    health: Health,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api.forbidden.add("games")
    with caplog.at_level(logging.WARNING):
        await namespaces.fill()
    assert list(cache.owners()) == [BANK]
    assert namespaces.readable() == ["shops"]
    assert health.unreadable == ["games"]
    assert (is_readable(metrics, "shops"), is_readable(metrics, "games")) == (1, 0)
    [record] = caplog.records
    assert "helm upgrade" in record.message


async def test_other_refusals_end_the_start(api: FakeApi, namespaces: Namespaces) -> None:
    api.fail("GET", "/eventstores", 410, "Gone")
    with pytest.raises(ApiError):
        await namespaces.fill()


async def test_without_rights_in_the_whole_cluster_nothing_starts(
    api: FakeApi, client: Client, cache: Cache, health: Health, metrics: Metrics
) -> None:
    api.fail("GET", "/eventstores", 403, "Forbidden")
    with pytest.raises(ApiError):
        await Namespaces(client, cache, (), health, metrics).fill()


async def test_a_namespace_that_goes_is_forgotten_and_taken_up_when_it_is_back(
    api: FakeApi,
    namespaces: Namespaces,
    cache: Cache,
    queue: WorkQueue,
    health: Health,
    metrics: Metrics,
) -> None:
    handled: list[tuple[Key, bool]] = []

    async def handle(key: Key) -> None:
        handled.append((key, cache.find(key) is not None))

    await namespaces.fill()
    async with following(namespaces, queue, handle):
        api.forbidden.add("games")
        await until(lambda: handled == [(GAME, False)])
        assert health.unreadable == ["games"]
        assert cache.find(BANK) is not None
        asked = len(api.requests)
        await until(lambda: len(api.requests) > asked + 4)
        assert is_readable(metrics, "games") == 0
        api.forbidden.clear()
        await until(lambda: handled == [(GAME, False), (GAME, True)])
        assert health.unreadable == []
        assert is_readable(metrics, "games") == 1


async def test_a_server_that_is_away_takes_no_namespace(
    api: FakeApi, namespaces: Namespaces, cache: Cache, queue: WorkQueue, health: Health
) -> None:
    async def handle(_key: Key) -> None: ...

    await namespaces.fill()
    async with following(namespaces, queue, handle):
        api.away = True
        for _ in range(2):
            api.fail("GET", "/eventstores", 500, "InternalError")
        api.away = False
        await until(lambda: not api.failures)
    assert health.unreadable == []
    assert set(cache.owners()) == {BANK, GAME}
