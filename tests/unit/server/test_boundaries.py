"""Commands of boundaries over HTTP are commands as others are."""

import asyncio
from collections import Counter

from tests.unit.engine.boundaries.examples import Enrolment
from tests.unit.engine.boundaries.tag_releases import Names
from tests.unit.server.conftest import Server, Serving, problem
from tests.waiting import until


async def claim(server: Server, account: str) -> tuple[int, str]:
    """The status of the answer, and the code of the rejection if it is one."""
    body = {"account": account, "name": "bob"}
    response = await server.api.post("/commands/Claim", json=body)
    return response.status, (await response.json()).get("rejection", "")


async def test_of_many_requests_for_one_name_one_gets_it(serving: Serving) -> None:
    """The others met its event, and are refused by the rule, not by a conflict."""
    async with serving(Names) as server:
        answers = await asyncio.gather(*(claim(server, f"a{n}") for n in range(16)))
        assert Counter(answers) == {(200, ""): 1, (422, "NameTaken"): 15}
        page = await (await server.api.get("/events")).json()
        assert [event["type"] for event in page["events"]] == ["Claimed"]


async def test_what_a_boundary_stored_is_answered(serving: Serving) -> None:
    async with serving(Enrolment) as server:
        defined = {"course_id": "art", "capacity": 1}
        answer = await (await server.api.post("/commands/DefineCourse", json=defined)).json()
        assert (answer["stream"], answer["version"], answer["position"]) == ("enrolment-art", 1, 1)
        assert answer["events"][0]["data"] == defined
        # The version of its stream means nothing.
        refused = await server.api.post(
            "/commands/DefineCourse", json=defined, headers={"If-Match": '"1"'}
        )
        await problem(refused, 400, "invalid-command")
        missing = await server.api.get("/aggregates/enrolment/art")
        await problem(missing, 404, "not-found")


async def test_a_decision_that_could_overlook_events_waits(serving: Serving) -> None:
    """Until the process that stores them without their tag is gone."""
    async with serving(Names) as server:
        await server.store.tag_index.attend("old/1", "shop", {"Claimed": []}, ())
        incomplete = server.runtime.engine.tag_index
        await until(lambda: incomplete.incomplete)
        body = {"account": "a", "name": "bob"}
        response = await server.api.post("/commands/Claim", json=body)
        found = await problem(response, 503, "tag-index-incomplete")
        assert response.headers["Retry-After"] == "5"
        assert (found["event_type"], found["tag"], found["stored"]) == ("Claimed", "name", False)
        assert "old/1 may store some without this tag" in str(found["detail"])
        ready = await (await server.management.get("/readyz")).json()
        assert ready["status"] == "ok"
        assert any("old/1" in sentence for sentence in ready["troubles"])
        await server.store.tag_index.leave("old/1")
        await until(lambda: not incomplete.incomplete)
        assert await claim(server, "a") == (200, "")


async def test_the_api_describes_them(serving: Serving) -> None:
    async with serving(Names) as server:
        document = await (await server.api.get("/openapi.json")).json()
        operation = document["paths"]["/commands/Claim"]["post"]
        assert operation["tags"] == ["names"]
        assert operation["responses"]["503"] == {"$ref": "#/components/responses/503"}
        assert "tag-index-incomplete" in str(document["components"])
        assert "/aggregates/names/{id}" not in document["paths"]
