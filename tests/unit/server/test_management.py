"""Probes, metrics and the manifest on a port of their own."""

from tests.unit.server.conftest import OPEN, Server, Serving
from tests.waiting import until


async def status(server: Server, path: str) -> int:
    return (await server.management.get(path)).status


async def test_it_is_started_and_ready_while_it_serves(serving: Serving) -> None:
    async with serving() as server:
        for path in ("/livez", "/startupz", "/readyz"):
            assert await status(server, path) == 200


async def test_before_it_serves_it_is_alive_only(serving: Serving) -> None:
    async with serving() as server:
        server.lifecycle.phase = "starting"
        server.lifecycle.reason = "the event store is away"
        assert await status(server, "/livez") == 200
        assert await status(server, "/startupz") == 503
        response = await server.management.get("/readyz")
        assert (response.status, (await response.json())["reason"]) == (
            503,
            "the event store is away",
        )


async def test_while_it_drains_it_is_not_ready_but_started(serving: Serving) -> None:
    async with serving() as server:
        server.lifecycle.drain()
        assert await status(server, "/livez") == 200
        assert await status(server, "/startupz") == 200
        assert await status(server, "/readyz") == 503


async def test_without_its_store_it_is_not_ready(serving: Serving) -> None:
    async with serving() as server:
        server.store.away = True
        response = await server.management.get("/readyz")
        assert response.status == 503
        assert (await response.json())["reason"] == "store: nobody answers"


async def test_a_subscription_in_trouble_is_named_while_commands_are_accepted(
    serving: Serving,
) -> None:
    pauses = {"CHEKOV_RETRY_FIRST_PAUSE": "600", "CHEKOV_RETRY_LONGEST_PAUSE": "600"}
    async with serving(**pauses) as server:
        assert await (await server.management.get("/readyz")).json() == {"status": "ok"}
        server.welcome.failure = "no mail server"
        await server.api.post("/commands/OpenAccount", json=OPEN)
        await until(lambda: server.runtime.engine.troubles)
        response = await server.management.get("/readyz")
        [trouble] = (await response.json())["troubles"]
        assert response.status == 200
        assert trouble.startswith("subscription welcome is retrying: ")
        assert "no mail server" in trouble


async def test_the_manifest_names_everything(serving: Serving) -> None:
    async with serving() as server:
        assert await (await server.management.get("/manifest")).json() == {
            "domain": "shop",
            "aggregates": ["account"],
            "commands": ["Break", "OpenAccount", "deposit-money"],
            "events": ["AccountOpened", "money-deposited"],
            "handled": ["AccountOpened"],
            "subscriptions": [{"name": "welcome", "kind": "handler", "version": 1}],
            "bundle": "shop",
        }


async def test_subscriptions_are_listed_and_measured(serving: Serving) -> None:
    async with serving() as server:
        body = {"account_id": "0192f0c1-0000-7000-8000-000000000001", "owner": "Ada"}
        headers = {"Prefer": "wait=30"}
        await server.api.post("/commands/OpenAccount", json=body, headers=headers)
        listed = await (await server.management.get("/subscriptions")).json()
        (subscription,) = listed["subscriptions"]
        page = await (await server.management.get("/metrics")).text()
    assert subscription["name"] == "welcome"
    assert subscription["position"] == 1
    labels = 'domain="shop",partition="0",subscription="welcome",version="1"'
    assert f"chekov_subscription_position{{{labels}}} 1.0" in page
    assert f"chekov_subscription_lag_events{{{labels}}} 0.0" in page
    assert f"chekov_subscription_owned{{{labels}}} 1.0" in page
    assert f"chekov_parked_events{{{labels}}} 0.0" in page


async def test_all_but_probes_metrics_and_the_manifest_requires_the_token_that_is_set(
    serving: Serving,
) -> None:
    async with serving(CHEKOV_MANAGEMENT_TOKEN="secret") as server:
        public: set[str] = set()
        for route in server.management.app.router.routes():
            assert route.resource is not None
            path = route.resource.canonical
            if path == "/{path}":
                continue  # says which methods there are, and nothing else
            response = await server.management.request(route.method, path.format(name="a", id="b"))
            if response.status != 401:
                public.add(path)
                assert response.status == 200
        assert public == {"/", "/livez", "/readyz", "/startupz", "/metrics", "/manifest"}
