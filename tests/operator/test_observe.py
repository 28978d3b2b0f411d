"""Looking at the world around one object."""

from base64 import b64encode
from typing import Any

import pytest

from chekov_operator.api import parse_bundle
from chekov_operator.client import Client
from chekov_operator.observe import Observer
from chekov_operator.observed import BundleObserved
from chekov_operator.resources import BUNDLE, DEPLOYMENT, POD, STORE, Object
from chekov_operator.workloads import deployment
from chekov_operator.world import World
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body, store_body, target
from tests.operator.scene import BANK, Answers

CONFIG_MAPS = "/api/v1/namespaces/shops/configmaps"
SECRETS = "/api/v1/namespaces/shops/secrets"
ENV: dict[str, Any] = {
    "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}}],
    "envFrom": [{"configMapRef": {"name": "words"}}],
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def observer(client: Client, world: World) -> Observer:
    return Observer(client, world, Answers(client))


async def look(observer: Observer, body: Object) -> BundleObserved:
    return await observer.bundle(parse_bundle(body), body)


async def test_what_watches_told_is_not_asked_for(
    api: FakeApi, observer: Observer, world: World
) -> None:
    world.put(STORE, store_body())
    live = deployment(target())
    world.put(DEPLOYMENT, live)
    seen = await look(observer, bundle_body())
    assert seen.store is not None
    assert ("Deployment", "bank") in seen.children
    assert seen.running == target().revision
    assert api.requests == []


async def test_pods_are_seen_apart_from_the_other_children(
    observer: Observer, world: World
) -> None:
    labels = {"chekov.dev/bundle": "bank"}
    world.put(POD, {"metadata": {"name": "bank-1", "namespace": "shops", "labels": labels}})
    seen = await look(observer, bundle_body())
    assert [pod["metadata"]["name"] for pod in seen.pods] == ["bank-1"]
    assert seen.children == {}


async def test_everything_that_is_missing_is_found(observer: Observer) -> None:
    seen = await look(observer, bundle_body(**ENV))
    assert [fault.reason for fault in seen.missing] == ["SecretNotFound", "ConfigMapNotFound"]
    assert "spec.env[0]" in seen.missing[0].message
    assert "spec.envFrom[0]" in seen.missing[1].message


async def test_a_secret_without_the_key_is_found(api: FakeApi, observer: Observer) -> None:
    api.put(f"{SECRETS}/keys", {"data": {"two": b64encode(b"2").decode()}})
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    [fault] = (await look(observer, bundle_body(**ENV))).missing
    assert fault.reason == "SecretKeyMissing"
    assert "it has two" in fault.message


async def test_what_is_there_is_asked_for_once_a_spec(api: FakeApi, observer: Observer) -> None:
    api.put(f"{SECRETS}/keys", {"data": {"one": ""}})
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    body = bundle_body(**ENV)
    for _ in range(3):
        assert (await look(observer, body)).missing == []
    assert len(api.requests) == 2
    body["metadata"]["generation"] += 1
    await look(observer, body)
    assert len(api.requests) == 4


async def test_what_is_missing_is_asked_for_until_it_is_there(
    api: FakeApi, observer: Observer
) -> None:
    body = bundle_body(envFrom=[{"configMapRef": {"name": "words"}}])
    assert len((await look(observer, body)).missing) == 1
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    assert (await look(observer, body)).missing == []


async def test_a_forgotten_bundle_is_looked_at_anew(api: FakeApi, observer: Observer) -> None:
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    body = bundle_body(envFrom=[{"configMapRef": {"name": "words"}}])
    await look(observer, body)
    observer.forget(BANK)
    await look(observer, body)
    assert len(api.requests) == 2


async def test_code_of_a_config_map_is_read_each_time(api: FakeApi, observer: Observer) -> None:
    body = bundle_body(code={"configMapRef": {"name": "code"}})
    api.put(f"{CONFIG_MAPS}/code", {"data": {"bank.py": "one"}})
    assert (await look(observer, body)).modules == {"bank.py": "one"}
    api.put(f"{CONFIG_MAPS}/code", {"data": {"bank.py": "two"}})
    assert (await look(observer, body)).modules == {"bank.py": "two"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "ConfigMapNotFound"),
        ({}, "ConfigMapEmpty"),
        ({"bank.py": "x" * (256 * 1024 + 1)}, "ConfigMapTooLarge"),
    ],
)
async def test_code_that_cannot_be_taken_is_told(
    api: FakeApi, observer: Observer, data: dict[str, str] | None, reason: str
) -> None:
    if data is not None:
        api.put(f"{CONFIG_MAPS}/code", {"data": data})
    seen = await look(observer, bundle_body(code={"configMapRef": {"name": "code"}}))
    assert [fault.reason for fault in seen.missing] == [reason]
    assert "spec.code.configMapRef.name" in seen.missing[0].message


async def test_the_revision_that_last_ran_is_known_without_a_deployment(
    observer: Observer, world: World
) -> None:
    body = bundle_body() | {"status": {"revision": "abc"}}
    world.put(BUNDLE, body)
    assert (await look(observer, body)).running == "abc"
