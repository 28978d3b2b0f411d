"""Observing a bundle: what is read, and how often."""

import json
from base64 import b64encode
from typing import Any

import pytest

from chekov.serialization.frame import framed
from chekov.store.port import CommandFigures
from chekov_operator.api.domain_bundle import parse_bundle
from chekov_operator.children.workloads import check_job, deployment
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.observer import BundleObserver
from chekov_operator.kube.cache import Cache
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import (
    BUNDLE,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    POD,
    REVISION,
    STORE,
    Key,
)
from chekov_operator.kube.objects import Object
from chekov_operator.kube.referenced_objects import ReferencedObjects
from tests.operator.fake_api import FakeApi
from tests.operator.fake_kubelet import ended_pod
from tests.operator.samples import bundle_body, code_of, store_body, stored, target
from tests.operator.scene import BANK, FINE, Answers

CONFIG_MAPS = "/api/v1/namespaces/shops/configmaps"
SECRETS = "/api/v1/namespaces/shops/secrets"
ENV: dict[str, Any] = {
    "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}}],
    "envFrom": [{"configMapRef": {"name": "words"}}],
}


@pytest.fixture
def cache() -> Cache:
    found = Cache()
    found.put(BUNDLE, bundle_body())
    return found


@pytest.fixture
def referenced(client: Client) -> ReferencedObjects:
    return ReferencedObjects(client)


@pytest.fixture
def observer(client: Client, cache: Cache, referenced: ReferencedObjects) -> BundleObserver:
    return BundleObserver(client, cache, Answers(client), referenced)


async def observe(observer: BundleObserver, body: Object) -> ObservedBundle:
    return await observer.observe(BANK, parse_bundle(body), body)


async def test_what_is_cached_costs_no_request(
    api: FakeApi, observer: BundleObserver, cache: Cache
) -> None:
    cache.put(STORE, store_body())
    live = deployment(target())
    cache.put(DEPLOYMENT, live)
    observed = await observe(observer, bundle_body())
    assert observed.store is not None
    assert ("Deployment", f"bank-{target().name}") in observed.children
    assert observed.running == target().name
    assert len(api.requests) == 1, "the Secret with the DSN"
    await observe(observer, bundle_body())
    assert len(api.requests) == 1


async def test_pods_are_seen_apart_from_the_other_children(
    observer: BundleObserver, cache: Cache
) -> None:
    labels = {"chekov.dev/bundle": "bank"}
    cache.put(POD, {"metadata": {"name": "bank-1", "namespace": "shops", "labels": labels}})
    observed = await observe(observer, bundle_body())
    assert [pod["metadata"]["name"] for pod in observed.pods] == ["bank-1"]
    assert observed.children == {}


async def test_everything_that_is_missing_is_found(observer: BundleObserver) -> None:
    observed = await observe(observer, bundle_body(**ENV))
    assert [fault.reason for fault in observed.missing] == ["SecretNotFound", "ConfigMapNotFound"]
    assert "spec.env[0]" in observed.missing[0].message
    assert "spec.envFrom[0]" in observed.missing[1].message


async def test_a_secret_without_the_key_is_found(api: FakeApi, observer: BundleObserver) -> None:
    api.put(f"{SECRETS}/keys", {"data": {"two": b64encode(b"2").decode()}})
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    [fault] = (await observe(observer, bundle_body(**ENV))).missing
    assert fault.reason == "SecretKeyMissing"
    assert "it has two" in fault.message


async def test_what_a_spec_names_is_read_once(api: FakeApi, observer: BundleObserver) -> None:
    api.put(f"{SECRETS}/keys", {"data": {"one": ""}})
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    for generation in range(3):
        body = bundle_body(**ENV)
        body["metadata"]["generation"] = generation
        assert (await observe(observer, body)).missing == []
    assert len(api.requests) == 2


async def test_what_was_missing_is_read_after_it_appeared(
    api: FakeApi, observer: BundleObserver, referenced: ReferencedObjects
) -> None:
    body = bundle_body(envFrom=[{"configMapRef": {"name": "words"}}])
    assert len((await observe(observer, body)).missing) == 1
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    referenced.invalidate([Key("ConfigMap", "shops", "words")])
    assert (await observe(observer, body)).missing == []


async def test_a_forgotten_bundle_is_read_again(api: FakeApi, observer: BundleObserver) -> None:
    api.put(f"{CONFIG_MAPS}/words", {"data": {}})
    body = bundle_body(envFrom=[{"configMapRef": {"name": "words"}}])
    await observe(observer, body)
    observer.forget(BANK)
    await observe(observer, body)
    assert len(api.requests) == 2


async def test_code_of_a_config_map_is_read_again_after_a_change(
    api: FakeApi, observer: BundleObserver, referenced: ReferencedObjects
) -> None:
    body = bundle_body(code={"configMapRef": {"name": "code"}})
    api.put(f"{CONFIG_MAPS}/code", {"data": {"bank.py": "one"}})
    for _ in range(2):
        assert (await observe(observer, body)).modules == {"bank.py": "one"}
    assert len(api.requests) == 1
    api.put(f"{CONFIG_MAPS}/code", {"data": {"bank.py": "two"}})
    referenced.invalidate([Key("ConfigMap", "shops", "code")])
    assert (await observe(observer, body)).modules == {"bank.py": "two"}


async def test_what_the_serving_spec_names_is_read_beside_what_a_new_one_does(
    observer: BundleObserver, cache: Cache
) -> None:
    cache.put(STORE, store_body())
    revision = target(envFrom=[{"secretRef": {"name": "old"}}])
    cache.put(REVISION, stored(revision, FINE))
    cache.put(CONFIG_MAP, code_of(revision))
    cache.put(DEPLOYMENT, deployment(revision))
    found = await observe(observer, bundle_body(envFrom=[{"secretRef": {"name": "new"}}]))
    assert set(found.contents) == {("Secret", "new"), ("Secret", "old"), ("Secret", "postgres")}
    assert [fault.reason for fault in found.missing] == ["SecretNotFound"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "ConfigMapNotFound"),
        ({}, "ConfigMapEmpty"),
        ({"bank.py": "x" * (256 * 1024 + 1)}, "ConfigMapTooLarge"),
    ],
)
async def test_unusable_code_is_reported(
    api: FakeApi, observer: BundleObserver, data: dict[str, str] | None, reason: str
) -> None:
    if data is not None:
        api.put(f"{CONFIG_MAPS}/code", {"data": data})
    observed = await observe(observer, bundle_body(code={"configMapRef": {"name": "code"}}))
    assert [fault.reason for fault in observed.missing] == [reason]
    assert "spec.code.configMapRef.name" in observed.missing[0].message


LARGE: Object = {**FINE, "events": [f"Event{number}" for number in range(400)]}


def give_ended_check(cache: Cache, message: str) -> str:
    """A check whose pod has ended; returns the path of the pod."""
    job = check_job(target())
    job["metadata"] |= {"uid": "job-uid"}
    job["metadata"]["ownerReferences"][0]["uid"] = "bundle-uid"
    cache.put(JOB, job)
    pod = ended_pod(job, {})
    pod["metadata"] |= {"name": "bank-check-1", "namespace": "shops"}
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = message
    cache.put(POD, pod)
    return POD.path("shops", "bank-check-1")


async def test_the_log_of_a_check_is_read_once_where_its_message_is_cut(
    api: FakeApi, observer: BundleObserver, cache: Cache
) -> None:
    pod = give_ended_check(cache, json.dumps(FINE | {"left_off": {"events": 399}}))
    api.logs[pod] = f"hello\n{framed(json.dumps(LARGE).encode())}\nbye\n"
    for _ in range(2):
        [(name, log)] = (await observe(observer, bundle_body())).logs.items()
        assert name.startswith("bank-check-")
        assert json.loads(log.document) == LARGE
    assert len(api.requests) == 1


async def test_the_log_is_not_read_where_the_message_is_whole(
    api: FakeApi, observer: BundleObserver, cache: Cache
) -> None:
    give_ended_check(cache, json.dumps(FINE))
    assert (await observe(observer, bundle_body())).logs == {}
    assert api.requests == []


async def test_a_log_without_a_result_says_so(
    api: FakeApi, observer: BundleObserver, cache: Cache
) -> None:
    pod = give_ended_check(cache, "")
    api.logs[pod] = "Killed\n"
    [log] = (await observe(observer, bundle_body())).logs.values()
    assert log.fault == "it has no result"


async def test_a_log_that_is_refused_says_so(
    api: FakeApi, observer: BundleObserver, cache: Cache
) -> None:
    pod = give_ended_check(cache, "")
    api.fail("GET", "/log", 403, "Forbidden")
    [log] = (await observe(observer, bundle_body())).logs.values()
    assert log.fault == "it could not be read: Forbidden"
    api.logs[pod] = framed(json.dumps(FINE).encode())
    [log] = (await observe(observer, bundle_body())).logs.values()
    assert json.loads(log.document) == FINE, "it is read again"


async def test_what_a_bundle_names_no_more_is_followed_no_more(
    api: FakeApi, client: Client, cache: Cache
) -> None:
    changed: list[Key] = []
    referenced = ReferencedObjects(client, (), lambda key, _owners: changed.append(key))
    observer = BundleObserver(client, cache, Answers(client), referenced)
    named = [{"secretRef": {"name": name}} for name in ("old", "new")]
    await observe(observer, bundle_body(envFrom=named))
    await observe(observer, bundle_body(envFrom=named[1:]))
    referenced.invalidate([Key("Secret", "shops", name) for name in ("old", "new")])
    assert [key.name for key in changed] == ["new"]


async def test_the_revision_that_last_ran_is_known_without_a_deployment(
    observer: BundleObserver, cache: Cache
) -> None:
    body = bundle_body() | {"status": {"revision": "abc"}}
    cache.put(BUNDLE, body)
    assert (await observe(observer, body)).running == "abc"


async def test_a_step_is_compared_from_the_first_reading_of_the_store_on(
    client: Client, cache: Cache, referenced: ReferencedObjects
) -> None:
    answers = Answers(client)
    observer = BundleObserver(client, cache, answers, referenced)
    cache.put(STORE, store_body())
    cache.put(DEPLOYMENT, deployment(target()))
    cache.put(REVISION, stored(target(), FINE))
    rollout = {"to": "new", "step": 1, "attempt": "a"}
    body = bundle_body() | {"status": {"rollout": rollout}}
    cache.put(BUNDLE, body)
    answers.is_read = False
    assert (await observe(observer, body)).figures_before == ()
    first = CommandFigures("bank-1/7f", "bank", "old", 900, 90, [900])
    later = CommandFigures("bank-1/7f", "bank", "old", 910, 90, [910])
    for figures in (first, later):
        answers.is_read, answers.figures = True, [figures]
        observed = await observe(observer, body)
    assert (observed.figures_before, observed.figures) == ([first], [later])
    answers.away = True
    assert (await observe(observer, body)).figures == ()
