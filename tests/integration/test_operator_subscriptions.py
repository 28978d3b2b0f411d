"""The operator's Subscriptions and Replays over Postgres, beside a running domain."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from kubernetes.aio.client import Configuration

from chekov import Retry, Runtime
from chekov.store.port import SubscriptionKey
from chekov_operator.api.conditions import rendered
from chekov_operator.api.event_store import parse_store
from chekov_operator.controllers.controller import Controller
from chekov_operator.controllers.plan import Plan
from chekov_operator.controllers.replay.controller import ReplayController
from chekov_operator.controllers.subscription.controller import SubscriptionController
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import connected
from chekov_operator.kube.kinds import BUNDLE, SECRET, STORE, SUBSCRIPTION
from chekov_operator.kube.objects import Object, condition_of, key_of, nested_list
from chekov_operator.metrics import Metrics
from chekov_operator.stores.databases import Databases
from tests.integration.engine_domain import Totals, counting
from tests.operator.fake_api import serving
from tests.operator.samples import bundle_body, replay_body, store_body, subscription_body
from tests.unit.engine.counter_domain import Add, Seen
from tests.waiting import until

READY: Object = {"type": "Ready", "status": "True", "reason": "Serving", "message": ""}


class Operated:
    """The controllers, and what they would write."""

    def __init__(self, cache: Cache, databases: Databases, replays: ReplayController) -> None:
        self._cache = cache
        self.databases = databases
        self._replays = replays
        self._subscriptions = SubscriptionController(cache, databases)

    def subscribe(self, handler: str, kind: str) -> Object:
        body = subscription_body(domain="counting", handler=handler, kind=kind)
        body["metadata"]["name"] = f"bank-{handler}"
        self._cache.put(SUBSCRIPTION, body)
        return body

    async def reached(self, body: Object, of: str, reason: str) -> Object:
        """Reconcile until a condition is true for a reason; return the status."""
        is_replay = body["kind"] == "Replay"
        controller: Controller = self._replays if is_replay else self._subscriptions

        async def there() -> bool:
            planned = await controller.plan(key_of(controller.kind, body), body)
            _write(body, planned.plan)
            found = condition_of(body, of)
            return (found.get("status"), found.get("reason")) == ("True", reason)

        await until(there, 30)
        found: Object = body["status"]
        return found


def _write(body: Object, plan: Plan) -> None:
    if plan.keep_status:
        return
    before = nested_list(body, "status", "conditions")
    conditions = rendered(plan.conditions, before, 1, datetime.now(UTC))
    body["status"] = {**plan.status, "observedGeneration": 1, "conditions": conditions}


@pytest.fixture
async def operated(dsn: str) -> AsyncGenerator[Operated]:
    metrics = Metrics()
    async with serving() as api, connected(Configuration(host=api.url), metrics) as client:
        data = {"dsn": b64encode(dsn.encode()).decode()}
        api.put(SECRET.path("shops", "postgres"), {"data": data})
        cache = Cache()
        cache.put(STORE, store_body())
        cache.put(BUNDLE, {**bundle_body(), "status": {"conditions": [READY]}})
        async with Databases(client, lambda _key: None, refresh_seconds=0.2) as databases:
            databases.reading(parse_store(store_body()))
            replays = ReplayController(client, cache, databases)
            yield Operated(cache, databases, replays)


@asynccontextmanager
async def running(dsn: str, seen: Seen) -> AsyncGenerator[Runtime]:
    domain = counting(Totals(), seen)
    async with Runtime(domain, store=dsn, node="one", lease=0.6, retry=Retry(attempts=1)) as found:
        yield found


async def add(runtime: Runtime, *amounts: int, counter: str = "a") -> None:
    for amount in amounts:
        await runtime.dispatch(Add(counter=counter, amount=amount))


async def total(runtime: Runtime, counter: str = "a") -> object:
    return await runtime.query("totals", "total", {"counter": f"counter-{counter}"})


def replay(name: str, handler: str, **spec: Any) -> Object:
    return replay_body(name, subscriptionRef={"name": f"bank-{handler}"}, **spec)


async def test_a_suspended_subscription_stays_where_it_is(dsn: str, operated: Operated) -> None:
    seen = Seen()
    body = operated.subscribe("seen", "handler")
    async with running(dsn, seen) as runtime:
        await add(runtime, 1)
        await until(lambda: seen.amounts == [1])
        await operated.reached(body, "Ready", "Running")
        body["spec"]["suspend"] = True
        status = await operated.reached(body, "Suspended", "SuspendedBySpec")
        assert status["pausedBy"] == "Subscription shops/bank-seen (DomainBundle bundle-uid)"
        # Its process hears of that a moment later.
        key = SubscriptionKey("counting", "seen")
        await until(lambda: not runtime.subscriptions[key].owned)
        await add(runtime, 2)
        await until(lambda: _is(total(runtime), 3))
        assert seen.amounts == [1]
        body["spec"]["suspend"] = False
        await operated.reached(body, "Ready", "Running")
        assert seen.amounts == [1, 2]


async def test_many_changes_share_a_few_connections(dsn: str, operated: Operated) -> None:
    kept, most = parse_store(store_body()), 0
    async with running(dsn, Seen()):
        pass
    # The connections of a process grow with its work: only the operator's are to be counted.
    # One of the operator's may be there already, which looks at the store now and then.
    await until(lambda: _at_most(backends(dsn), 1))

    async def change() -> None:
        nonlocal most
        async with operated.databases.opened(kept) as store:
            await store.subscriptions.pause("counting", "seen", by="test")
            most = max(most, await backends(dsn))

    await asyncio.gather(*(change() for _ in range(30)))
    # Those of the store's own statements, the one that looks, and the poller's.
    assert most <= 5


async def backends(dsn: str) -> int:
    """How many connections to the database there are."""
    connection = await asyncpg.connect(dsn)
    try:
        count: int = await connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() "
            "and application_name like 'chekov%'"
        )
        return count
    finally:
        await connection.close()


async def test_a_read_model_is_built_beside_and_in_place(dsn: str, operated: Operated) -> None:
    operated.subscribe("totals", "projection")
    async with running(dsn, Seen()) as runtime:
        await add(runtime, 1, 2)
        await until(lambda: _is(total(runtime), 3))
        for mode in ("Beside", "InPlace"):
            body = replay(mode.lower(), "totals", **{"from": "origin"}, mode=mode)
            status = await operated.reached(body, "Complete", "Replayed")
            assert (status["position"], status["target"], status["percent"]) == (2, 2, 100)
            assert await total(runtime) == 3
        made = await runtime.projections.list()
        assert [(item.key.generation, item.state) for item in made][-1] == (3, "serving")
        body = replay("later", "totals", **{"from": "2"})
        assert (await operated.reached(body, "Complete", "Replayed"))["start"] == 1
        assert await total(runtime) == 2


async def test_a_handler_begins_again(dsn: str, operated: Operated) -> None:
    seen = Seen()
    subscription = operated.subscribe("seen", "handler")
    async with running(dsn, seen) as runtime:
        await add(runtime, 1, 2, 3)
        await operated.reached(subscription, "Ready", "Running")
        body = replay("again", "seen", **{"from": "2"}, mode="InPlace")
        status = await operated.reached(body, "Complete", "Replayed")
        assert (status["start"], status["position"]) == (1, 3)
        assert seen.amounts == [1, 2, 3, 2, 3]


async def test_parked_events_are_retried_and_discarded(dsn: str, operated: Operated) -> None:
    seen = Seen()
    subscription = operated.subscribe("seen", "handler")
    async with running(dsn, seen) as runtime:
        seen.failing = {7: 99, 8: 1}
        await add(runtime, 7, 1, counter="a")
        await add(runtime, 8, 2, counter="b")
        status = await operated.reached(subscription, "Degraded", "EventsParked")
        await until(lambda: _parked(runtime, 4))
        groups = await runtime.parked_groups("seen")
        body = replay("retry", "seen", retry={"fingerprint": groups[0].fingerprint})
        status = await operated.reached(body, "Complete", "Retried")
        assert status["counts"] == {"retried": 2, "handled": 1, "failedAgain": 1}
        await until(lambda: seen.amounts == [8, 2])
        discard = {"keys": ["counter-a"], "reason": "a mistake"}
        body = replay("discard", "seen", discard=discard)
        assert (await operated.reached(body, "Complete", "Discarded"))["counts"] == {"discarded": 1}
        await until(lambda: seen.amounts == [8, 2, 1])
        [given_up] = await runtime.discarded("seen")
        assert given_up.reason == "a mistake (Replay shops/discard, uid discard-uid)"


async def _at_most(found: Awaitable[int], most: int) -> bool:
    return await found <= most


async def _is(found: Any, wanted: object) -> bool:
    return bool(await found == wanted)


async def _parked(runtime: Runtime, number: int) -> bool:
    return len(await runtime.parked("seen")) == number
