"""The operator's probes and metrics."""

import asyncio
import json
from collections.abc import AsyncGenerator

import aiohttp
import pytest

from chekov_operator.bundle_lag import BundleLag
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE
from chekov_operator.management import Health, serving
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body
from tests.waiting import until


class Site:
    """Asks the operator's port."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self._root + path) as response:
            return response.status, await response.text()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def lag() -> BundleLag:
    return BundleLag()


@pytest.fixture
async def site(
    health: Health, metrics: Metrics, lag: BundleLag, unused_tcp_port: int
) -> AsyncGenerator[Site]:
    async with serving(health, metrics, lag, unused_tcp_port):
        yield Site(unused_tcp_port)


async def test_it_lives_as_soon_as_it_answers(site: Site) -> None:
    assert await site.get("/livez") == (200, "ok\n")


async def test_silent_watches_end_its_life(site: Site, health: Health) -> None:
    health.stalled = True
    status, text = await site.get("/livez")
    assert (status, "watches" in text) == (503, True)


async def test_it_is_not_ready_while_it_starts(site: Site) -> None:
    assert await site.get("/readyz") == (503, "starting\n")


async def test_missing_definitions_are_named_with_the_remedy(site: Site, health: Health) -> None:
    health.missing = ["eventstores.chekov.dev"]
    health.ready.set()
    status, text = await site.get("/readyz")
    assert status == 503
    assert "eventstores.chekov.dev" in text
    assert "chekov-crds" in text


async def test_a_replica_that_stands_by_is_ready(site: Site, health: Health) -> None:
    health.ready.set()
    assert await site.get("/readyz") == (200, "standing by\n")


async def test_the_leader_names_namespaces_that_it_cannot_serve(site: Site, health: Health) -> None:
    health.ready.set()
    health.leading = True
    health.unreadable = ["shops", "games"]
    assert await site.get("/readyz") == (200, "leading, without shops, games\n")


async def test_the_leader_says_that_it_leads(site: Site, health: Health) -> None:
    health.ready.set()
    health.leading = True
    assert await site.get("/readyz") == (200, "leading\n")


async def test_metrics_are_a_prometheus_page(site: Site, metrics: Metrics) -> None:
    metrics.count_call("PATCH", "Deployment", 200)
    status, page = await site.get("/metrics")
    assert status == 200
    assert (
        'chekov_operator_api_calls_total{code="200",kind="Deployment",method="PATCH"} 1.0' in page
    )
    assert "process_resident_memory_bytes" in page


async def test_autoscalers_read_the_lag_of_a_bundle(
    site: Site, lag: BundleLag, client: Client, api: FakeApi
) -> None:
    assert await site.get("/bundles/shops/bank") == (503, '{"error": "the operator is starting"}')
    lag.client = client
    status, text = await site.get("/bundles/shops/bank")
    assert (status, "no DomainBundle 'bank'" in text) == (404, True)
    path = BUNDLE.path("shops", "bank")
    api.put(path, bundle_body())
    status, text = await site.get("/bundles/shops/bank")
    assert (status, "store not read yet" in text) == (503, True)
    shown = {"lag": 120, "parked": 1, "replicas": 2, "readyReplicas": 2}
    api.put(path, {**bundle_body(), "status": {**shown, "phase": "Ready"}})
    status, text = await site.get("/bundles/shops/bank")
    assert (status, json.loads(text)) == (200, shown)


async def test_no_other_object_can_be_read_there(
    site: Site, lag: BundleLag, client: Client, api: FakeApi
) -> None:
    lag.client = client
    status, _ = await site.get("/bundles/shops/..%2F..%2Fsecrets%2Fpostgres")
    assert (status, api.requests) == (404, [])


async def test_many_questions_do_not_take_all_connections(
    site: Site, lag: BundleLag, client: Client, api: FakeApi
) -> None:
    lag.client = client
    path = BUNDLE.path("shops", "bank")
    api.hanging.add(path)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(site.get("/bundles/shops/bank")) for _ in range(20)]
        await until(lambda: api.unanswered == 4)
        assert (await site.get("/livez"))[0] == 200
        assert api.unanswered == 4
        for task in asked:
            task.cancel()
