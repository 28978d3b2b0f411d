"""The client: what it sends, what it does with answers, and when it tries again."""

import socket
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.client import Client, connected
from chekov_operator.kube.kinds import BUNDLE, CONFIG_MAP, JOB, POD, InvalidPathSegment
from chekov_operator.kube.objects import Object
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.named_fields import BAD_NAMES

MAPS = "/api/v1/namespaces/shops/configmaps"
BUNDLES = "/apis/chekov.dev/v1alpha1/namespaces/shops/domainbundles"


def config_map(name: str, **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shops"},
        "data": data,
    }


async def test_an_object_is_read(api: FakeApi, client: Client) -> None:
    api.put(f"{MAPS}/code", {"data": {"a": "1"}})
    found = await client.get(CONFIG_MAP, "shops", "code")
    assert found is not None
    assert found["data"] == {"a": "1"}


async def test_the_end_of_a_log_is_text_whatever_it_looks_like(
    api: FakeApi, client: Client
) -> None:
    api.logs[POD.path("shops", "bank-1")] = 'first\n{"a": 1}\n[\n'
    assert await client.log("shops", "bank-1", "runtime", lines=2) == '{"a": 1}\n[\n'
    assert api.requests[0].query == {"container": "runtime", "tailLines": "2"}


async def test_an_object_that_is_not_there_is_none(client: Client) -> None:
    assert await client.get(CONFIG_MAP, "shops", "code") is None


NOT_SEGMENTS = [name for name in BAD_NAMES if not name.isalnum() or not name.isascii()]


@pytest.mark.parametrize("bad", NOT_SEGMENTS)
async def test_a_name_that_leads_to_another_path_is_never_sent(
    api: FakeApi, client: Client, bad: str
) -> None:
    body = config_map(bad)
    elsewhere: Object = {**config_map("code"), "metadata": {"name": "code", "namespace": bad}}
    for call in (
        client.get(CONFIG_MAP, "shops", bad),
        client.get(CONFIG_MAP, bad, "code"),
        client.list(CONFIG_MAP, bad, {}),
        client.log("shops", bad, "runtime", lines=1),
        client.create(CONFIG_MAP, elsewhere),
        client.apply(CONFIG_MAP, body),
        client.apply(CONFIG_MAP, elsewhere),
        client.apply_status(BUNDLE, body),
        client.replace(CONFIG_MAP, body),
        client.merge(CONFIG_MAP, "shops", bad, {}),
        client.overwrite(CONFIG_MAP, body),
        client.delete(CONFIG_MAP, "shops", bad, uid="1"),
    ):
        with pytest.raises(InvalidPathSegment):
            await call
    with pytest.raises(InvalidPathSegment):
        BUNDLE.path("shops", "bank", bad)
    assert api.requests == []


async def test_a_list_has_the_objects_with_the_labels_and_their_kind(
    api: FakeApi, client: Client
) -> None:
    api.put(f"{MAPS}/one", {"metadata": {"labels": {"a": "1", "b": "2"}}})
    api.put(f"{MAPS}/two", {"metadata": {"labels": {"a": "1"}}})
    api.put("/api/v1/namespaces/other/configmaps/one", {"metadata": {"labels": {"a": "1"}}})
    found = await client.list(CONFIG_MAP, "shops", {"a": "1", "b": "2"})
    assert [(item["kind"], item["apiVersion"], item["metadata"]["name"]) for item in found] == [
        ("ConfigMap", "v1", "one")
    ]


async def test_a_list_of_all_namespaces(api: FakeApi, client: Client) -> None:
    for namespace in ("shops", "banks"):
        api.put(f"/api/v1/namespaces/{namespace}/configmaps/one", {})
    found = await client.list(CONFIG_MAP, None, {})
    assert [item["metadata"]["namespace"] for item in found] == ["banks", "shops"]


async def test_a_long_list_is_read_page_by_page(api: FakeApi, client: Client) -> None:
    api.page_size = 2
    for number in range(5):
        api.put(f"{MAPS}/map-{number}", {})
    found = await client.list(CONFIG_MAP, "shops", {})
    assert [item["metadata"]["name"] for item in found] == [f"map-{n}" for n in range(5)]
    assert len(api.requests) == 3


async def test_a_shallow_list_asks_for_metadata_only(api: FakeApi, client: Client) -> None:
    await client.list(CONFIG_MAP, "shops", {}, shallow=True)
    assert "PartialObjectMetadataList" in api.requests[-1].headers["Accept"]


async def test_apply_owns_the_given_fields_and_no_others(api: FakeApi, client: Client) -> None:
    api.put(f"{MAPS}/code", {"data": {"theirs": "1"}})
    await client.apply(CONFIG_MAP, config_map("code", ours="1"))
    request = api.requests[-1]
    assert (request.method, request.path) == ("PATCH", f"{MAPS}/code")
    assert request.query == {"fieldManager": "chekov-operator", "force": "true"}
    assert request.headers["Content-Type"].startswith("application/apply-patch+yaml")
    assert api.objects[f"{MAPS}/code"]["data"] == {"theirs": "1", "ours": "1"}


async def test_the_status_is_applied_by_itself(api: FakeApi, client: Client) -> None:
    api.put(f"{BUNDLES}/bank", {"spec": {"replicas": 2}})
    body = {"metadata": {"name": "bank", "namespace": "shops"}, "status": {"phase": "Ready"}}
    await client.apply_status(BUNDLE, body)
    assert api.requests[-1].path == f"{BUNDLES}/bank/status"
    assert api.objects[f"{BUNDLES}/bank"]["status"] == {"phase": "Ready"}
    assert api.objects[f"{BUNDLES}/bank"]["spec"] == {"replicas": 2}


async def test_a_replacement_of_an_older_version_is_a_conflict(
    api: FakeApi, client: Client
) -> None:
    old = api.put(f"{MAPS}/code", config_map("code", a="1"))
    await client.merge(CONFIG_MAP, "shops", "code", {"data": {"a": "2"}})
    with pytest.raises(ApiError) as caught:
        await client.replace(CONFIG_MAP, old)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")


async def test_what_is_overwritten_loses_what_others_added_and_is_owned_by_none_of_it(
    api: FakeApi, client: Client
) -> None:
    owners = [
        {"manager": "chekov-operator", "operation": "Apply"},
        {"manager": "kubectl-edit", "operation": "Update"},
        {"manager": "chekov-operator", "operation": "Update"},
    ]
    metadata = {"labels": {"theirs": "1"}, "managedFields": owners}
    api.put(f"{MAPS}/code", {"metadata": metadata, "data": {"theirs": "1", "ours": "2"}})
    await client.overwrite(CONFIG_MAP, config_map("code", ours="1"))
    after = api.objects[f"{MAPS}/code"]
    assert after["data"] == {"ours": "1"}
    assert after["metadata"]["labels"] == {"theirs": "1"}
    assert after["metadata"]["managedFields"] == owners[:2]


async def test_what_is_deleted_takes_its_pods_along(api: FakeApi, client: Client) -> None:
    path = "/apis/batch/v1/namespaces/shops/jobs/bank-check"
    uid = api.put(path, {})["metadata"]["uid"]
    await client.delete(JOB, "shops", "bank-check", uid=uid)
    assert api.requests[-1].body["propagationPolicy"] == "Background"
    assert path not in api.objects


async def test_an_object_that_took_the_name_is_not_deleted(api: FakeApi, client: Client) -> None:
    path = "/apis/batch/v1/namespaces/shops/jobs/bank-check"
    api.put(path, {})
    await client.delete(JOB, "shops", "bank-check", uid="of another one")
    assert path in api.objects


async def test_deleting_what_is_gone_raises_nothing(api: FakeApi, client: Client) -> None:
    await client.delete(JOB, "shops", "bank-check", uid="1")
    assert [item.method for item in api.requests] == ["DELETE"]


async def test_a_refusal_names_the_request_and_the_cause(api: FakeApi, client: Client) -> None:
    api.fail("PATCH", "/code", 422, "Invalid")
    with pytest.raises(ApiError) as caught:
        await client.apply(CONFIG_MAP, config_map("code"))
    assert (caught.value.status, caught.value.reason) == (422, "Invalid")
    assert f"PATCH {MAPS}/code" in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again(api: FakeApi, client: Client, status: int) -> None:
    api.put(f"{MAPS}/code", {})
    api.fail("GET", "/code", status, "TooManyRequests", Retry_After="0")
    assert await client.get(CONFIG_MAP, "shops", "code") is not None
    assert len(api.requests) == 2


async def test_a_server_that_stays_busy_is_left_alone(api: FakeApi, client: Client) -> None:
    for _ in range(20):
        api.fail("GET", "/code", 429, "TooManyRequests", Retry_After="0")
    with pytest.raises(ApiError) as caught:
        await client.get(CONFIG_MAP, "shops", "code")
    assert caught.value.status == 429
    assert 1 < len(api.requests) < 20


async def test_a_server_that_does_not_answer_is_unavailable(metrics: Metrics) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with connected(Configuration(host=host), metrics) as client:
            with pytest.raises(ApiUnavailable):
                await client.get(CONFIG_MAP, "shops", "code")
    calls = {"method": "GET", "kind": "ConfigMap", "code": "0"}
    assert metrics.registry.get_sample_value("chekov_operator_api_calls_total", calls) == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "ADDED", "object": {\n',
        b"{\xff}\n",
        b'{"type": "ERROR", "object": {"code": "many"}}\n',
    ],
)
async def test_changes_that_cannot_be_read_are_those_of_no_server(
    metrics: Metrics, line: bytes
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=line)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        configuration = Configuration(host=str(server.make_url("")).rstrip("/"))
        async with connected(configuration, metrics) as client:
            with pytest.raises(ApiUnavailable):
                await anext(client.changes(CONFIG_MAP, None, "1"))


async def test_every_request_is_counted_with_its_answer(
    api: FakeApi, client: Client, metrics: Metrics
) -> None:
    api.put(f"{MAPS}/code", {})
    await client.get(CONFIG_MAP, "shops", "code")
    await client.get(CONFIG_MAP, "shops", "none")
    for code in ("200", "404"):
        calls = {"method": "GET", "kind": "ConfigMap", "code": code}
        assert metrics.registry.get_sample_value("chekov_operator_api_calls_total", calls) == 1


async def test_the_served_kinds_are_found_without_reading_definitions(
    api: FakeApi, client: Client
) -> None:
    api.served["/apis/chekov.dev/v1alpha1"] = ["domainbundles", "domainbundles/status"]
    assert await client.served("chekov.dev/v1alpha1") == {"domainbundles", "domainbundles/status"}
    assert await client.served("chekov.dev/v9") == frozenset()


@pytest.fixture
async def trusted(api: FakeApi, metrics: Metrics) -> AsyncGenerator[Client]:
    """A client with a token that is read from somewhere, as in a cluster."""
    configuration = Configuration(host=api.url)
    configuration.api_key["BearerToken"] = "bearer first"
    async with connected(configuration, metrics) as client:
        yield client


async def test_the_token_goes_with_every_request(api: FakeApi, trusted: Client) -> None:
    await trusted.get(CONFIG_MAP, "shops", "code")
    assert api.requests[-1].headers["Authorization"] == "bearer first"
