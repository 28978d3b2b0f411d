"""`kubectl chekov events`: the event log, through the API server and a pod of the bundle."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl
from tests.operator.plugin.fake_pod import API, listening
from tests.operator.plugin.objects import put_bundle, put_pod


def event(position: int, **fields: Any) -> dict[str, Any]:
    return {
        "position": position,
        "stream": "account-1",
        "version": position,
        "id": f"0192f0c1-0000-7000-8000-{position:012}",
        "type": "opened",
        "time": "2026-01-31T12:00:00.123456Z",
        "correlation_id": None,
        "causation_id": None,
        "metadata": {},
        "data": {"owner": "Ada"},
        **fields,
    }


def page(*positions: int) -> dict[str, Any]:
    return {"events": [event(position) for position in positions], "next": None}


async def test_the_newest_events_are_listed_in_order(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    put_pod(api, "bank-1")
    async with listening(api, "bank-1", API, {"/events": page(9, 8)}) as requests:
        answer = await kubectl("events", "bank", "--limit=2", "--type=opened", "--category=account")
    assert answer.code == 0
    rows = [line.split(maxsplit=5) for line in answer.output.splitlines()]
    time, data = "2026-01-31T12:00:00.123+00:00", '{"owner": "Ada"}'
    assert rows == [
        ["POSITION", "STREAM", "VERSION", "TYPE", "TIME", "DATA"],
        ["8", "account-1", "8", "opened", time, data],
        ["9", "account-1", "9", "opened", time, data],
    ]
    asked = {"type": "opened", "category": "account", "limit": "2", "after": "0"}
    assert dict(requests[0].query) == {"direction": "backward", **asked}


async def test_events_after_a_position_as_json(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    put_pod(api, "bank-1")
    async with listening(api, "bank-1", API, {"/events": page(5, 6)}) as requests:
        answer = await kubectl("events", "bank", "--after=4", "-o", "json")
    lines = [json.loads(line) for line in answer.output.splitlines()]
    assert [line["position"] for line in lines] == [5, 6]
    assert lines[0]["data"] == {"owner": "Ada"}
    assert requests[0].query["after"] == "4"


async def test_new_events_are_followed_after_those_that_were_listed(
    api: FakeApi, kubectl: Kubectl
) -> None:
    put_bundle(api)
    put_pod(api, "bank-1")
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Accept") != "text/event-stream":
            return web.json_response(page(9, 8))
        asked.append(request.query["after"])
        if len(asked) > 1:
            problem = {"type": "urn:chekov:beyond-the-log", "code": "beyond-the-log", "status": 409,
                       "title": "x", "detail": "the log was restored"}  # fmt: skip
            return web.json_response(problem, status=409, content_type="application/problem+json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for position in (10, 11):
            line = json.dumps(event(position))
            await response.write(f"id: {position}\ndata: {line}\n\n".encode())
        return response

    async with listening(api, "bank-1", API, {"/events": answer}):
        told = await kubectl("events", "bank", "--follow", "-o", "json")
    positions = [json.loads(line)["position"] for line in told.output.splitlines()]
    assert positions == [8, 9, 10, 11]
    assert asked[0] == "9"
    assert told.code == 1
    assert "Traceback" not in told.errors


async def test_the_token_reaches_the_pod(
    api: FakeApi, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server's own proxy would have kept it."""
    put_bundle(api)
    put_pod(api, "bank-1")
    (tmp_path / "token").write_text("of-the-bank-12345\n")
    async with listening(api, "bank-1", API, {"/events": page()}) as requests:
        await kubectl("events", "bank", "--token-file", tmp_path / "token")
        monkeypatch.setenv("CHEKOV_TOKEN", "of-the-variable-1")
        await kubectl("events", "bank")
        monkeypatch.delenv("CHEKOV_TOKEN")
        await kubectl("events", "bank")
    tokens = [item.headers.get("Authorization") for item in requests]
    assert tokens == ["Bearer of-the-bank-12345", "Bearer of-the-variable-1", None]


async def test_a_pod_that_is_ready_is_asked(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    put_pod(api, "bank-1", ready=False)
    put_pod(api, "bank-2")
    async with listening(api, "bank-2", API, {"/events": page(1)}):
        assert (await kubectl("events", "bank")).code == 0
    api.remove("/api/v1/namespaces/shops/pods/bank-2")
    answer = await kubectl("events", "bank")
    assert answer.code == 1
    assert "none of the 1 pods of the bundle bank is ready" in answer.errors


async def test_who_may_not_forward_ports_is_told(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    put_pod(api, "bank-1")
    api.fail("GET", "/portforward", 403, "Forbidden")
    answer = await kubectl("events", "bank")
    assert answer.code == 1
    assert answer.errors == (
        "kubectl chekov: you lack a right: the verb get,create on the resource pods/portforward in "
        "the namespace shops\n"
    )


async def test_wrong_limits_and_filters_are_refused(api: FakeApi, kubectl: Kubectl) -> None:
    put_bundle(api)
    put_pod(api, "bank-1")
    assert "--limit" in (await kubectl("events", "bank", "--limit=0")).errors
    async with listening(api, "bank-1", API, {}):
        answer = await kubectl("events", "bank", "--stream=account-1", "--type=opened")
    assert (answer.code, "leave out --type" in answer.errors) == (1, True)


async def test_following_goes_on_by_another_pod_after_the_last_event(
    api: FakeApi, kubectl: Kubectl
) -> None:
    put_bundle(api)
    put_pod(api, "bank-1")
    asked: list[str] = []

    async def first(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Accept") != "text/event-stream":
            return web.json_response(page(9, 8))
        if asked and request.transport is not None:
            request.transport.abort()
            return web.Response()
        asked.append(request.query["after"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"id: 10\ndata: {json.dumps(event(10))}\n\n".encode())
        # The pod is replaced: nothing answers there any more.
        api.remove("/api/v1/namespaces/shops/pods/bank-1")
        api.ports["/api/v1/namespaces/shops/pods/bank-1", API] = 1
        put_pod(api, "bank-2")
        return response

    async def second(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["after"])
        return web.json_response(
            {"code": "forbidden", "status": 403, "title": "x", "detail": "it ends here"},
            status=403,
            content_type="application/problem+json",
        )

    async with (
        listening(api, "bank-1", API, {"/events": first}),
        listening(api, "bank-2", API, {"/events": second}),
    ):
        told = await kubectl("events", "bank", "--follow", "-o", "json")
    positions = [json.loads(line)["position"] for line in told.output.splitlines()]
    assert positions == [8, 9, 10]
    assert asked == ["9", "10"]
    assert told.code == 1
