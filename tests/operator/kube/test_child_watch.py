"""What is owned reaches the cache, and each change its owner, also after a stream was cut."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from contextlib import asynccontextmanager

import pytest

from chekov_operator.kube.cache import Cache
from chekov_operator.kube.child_watch import OWNED, ChildWatch
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import CONFIG_MAP, DEPLOYMENT, WATCHED, Kind
from chekov_operator.kube.namespaces import Namespaces
from chekov_operator.kube.objects import Object, nested
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.waiting import until

LABELS = {"app.kubernetes.io/managed-by": "chekov-operator", "chekov.dev/bundle": "bank"}
CHILD: Object = {"metadata": {"labels": LABELS}, "spec": {"replicas": 1}}
BANK = DEPLOYMENT.path("shops", "bank")


class Received:
    """Remembers each change, and keeps the cache as the operator does."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.changes: list[tuple[str | None, str]] = []

    def __call__(self, kind: Kind, change: str | None, body: Object) -> None:
        self.changes.append((change, str(nested(body, "metadata", "name"))))
        if change == "DELETED":
            self.cache.drop(kind, body)
        else:
            self.cache.put(kind, body, watched=True)


@pytest.fixture
def received() -> Received:
    return Received()


@asynccontextmanager
async def watching(
    api: FakeApi,
    client: Client,
    received: Received,
    namespaces: Sequence[str] = (),
    versions: MutableMapping[tuple[str, str | None], str] | None = None,
) -> AsyncGenerator[None]:
    watch = ChildWatch(
        client, received.cache, received, namespaces, versions or {}, longest_pause=0.01
    )
    task = asyncio.create_task(watch.run())
    try:
        await until(lambda: api.watches.opened >= len(OWNED) * max(1, len(namespaces)))
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_there_is_and_each_change_are_received(
    api: FakeApi, client: Client, received: Received
) -> None:
    api.put(BANK, CHILD)
    api.put(DEPLOYMENT.path("shops", "theirs"), {})
    async with watching(api, client, received):
        assert received.changes == [(None, "bank")]
        api.put(DEPLOYMENT.path("shops", "other"), CHILD)
        await until(lambda: received.changes[1:] == [("ADDED", "other")])
        api.remove(BANK)
        await until(lambda: received.changes[2:] == [("DELETED", "bank")])
    assert received.cache.get(DEPLOYMENT, "shops", "bank") is None
    watched = received.cache.get(DEPLOYMENT, "shops", "other")
    assert watched is not None
    assert watched["kind"] == "Deployment"


@pytest.mark.parametrize("served", [(), ("shops", "games")])
async def test_what_was_read_at_the_start_is_not_listed_again(
    api: FakeApi, client: Client, received: Received, metrics: Metrics, served: tuple[str, ...]
) -> None:
    api.put(BANK, CHILD)
    api.put(DEPLOYMENT.path("games", "gone"), CHILD)
    namespaces = Namespaces(client, received.cache, served, Health(), metrics)
    await namespaces.fill()
    api.put(DEPLOYMENT.path("shops", "other"), CHILD)
    api.remove(DEPLOYMENT.path("games", "gone"))
    async with watching(api, client, received, served, namespaces.versions):
        await until(lambda: len(received.changes) == 4)
        assert sorted(received.changes, key=str) == [
            ("ADDED", "other"),
            ("DELETED", "gone"),
            (None, "bank"),
            (None, "gone"),
        ]
    listed = [item.path for item in api.requests if item.query.get("limit") != "1"]
    assert sorted(listed) == sorted(
        kind.path(name) for kind in WATCHED for name in served or (None,)
    )


async def test_what_went_while_nothing_was_delivered_is_received_as_deleted(
    api: FakeApi, client: Client, received: Received
) -> None:
    api.put(BANK, CHILD)
    api.put(CONFIG_MAP.path("shops", "code"), CHILD)
    async with watching(api, client, received):
        api.watches.silent = True
        api.remove(BANK)
        api.put(DEPLOYMENT.path("shops", "new"), CHILD)
        # No stream can begin in what the server has forgotten.
        api.watches.forget()
        api.watches.silent = False
        api.watches.cut()
        await until(lambda: ("DELETED", "bank") in received.changes)
        await until(lambda: received.cache.get(DEPLOYMENT, "shops", "new") is not None)
    assert received.cache.get(CONFIG_MAP, "shops", "code") is not None


async def test_what_a_bookmark_passed_is_not_listed_again(
    api: FakeApi, client: Client, received: Received
) -> None:
    api.watches.bookmark_seconds = 0.01
    async with watching(api, client, received):
        asked = len(api.requests)
        api.put(DEPLOYMENT.path("shops", "theirs"), {})
        await until(api.watches.all_bookmarked)
        api.watches.forget()
        api.watches.cut()
        await until(lambda: api.watches.opened == 2 * len(OWNED))
        assert len(api.requests) == asked


async def test_only_the_namespaces_that_are_served_are_watched(
    api: FakeApi, client: Client, received: Received
) -> None:
    api.put(BANK, CHILD)
    api.put(DEPLOYMENT.path("games", "bank"), CHILD)
    api.put(DEPLOYMENT.path("other", "bank"), CHILD)
    async with watching(api, client, received, ["shops", "games"]):
        found = {key.namespace for key in received.cache.versions(DEPLOYMENT)}
        assert found == {"shops", "games"}
