"""`POST /commands/{Command}?at=…` schedules a command, and the management port shows it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from chekov.serialization.codec import decode_metadata
from tests.unit.server.conftest import ID, OPEN, Server, Serving, problem
from tests.waiting import until

LATER = datetime(2120, 1, 31, 12, tzinfo=UTC)
AT = "at=2120-01-31T12:00:00Z"


async def schedule(server: Server, when: str, **headers: str) -> UUID:
    """Schedule the opening of the account."""
    response = await server.api.post(f"/commands/OpenAccount?{when}", json=OPEN, headers=headers)
    assert response.status == 202, await response.text()
    return UUID((await response.json())["scheduled"])


async def listed(server: Server, query: str = "", **headers: str) -> dict[str, Any]:
    response = await server.management.get(f"/scheduled{query}", headers=headers)
    assert response.status == 200
    return await response.json()


@pytest.mark.parametrize("time", ["2120-01-31T12:00:00Z", "2120-01-31T13:00:00+01:00"])
async def test_a_command_is_scheduled_for_a_time(serving: Serving, time: str) -> None:
    async with serving() as server:
        id_ = await schedule(server, f"at={time}")
        [shown] = (await listed(server))["scheduled"]
        assert datetime.fromisoformat(shown["due"]) == LATER
        assert (UUID(shown["id"]), shown["command"]) == (id_, "OpenAccount")
        assert await server.store.head() == 0


async def test_a_command_that_is_due_is_executed(serving: Serving) -> None:
    async with serving() as server:
        correlation = str(uuid4())
        id_ = await schedule(server, "after=0", **{"X-Correlation-ID": correlation})

        async def is_opened() -> bool:
            return await server.store.head() == 1

        await until(is_opened)
        [event] = await server.store.read_stream(f"account-{ID}")
        assert (event.causation_id, str(event.correlation_id)) == (id_, correlation)


async def test_its_events_say_who_scheduled_it(serving: Serving, tmp_path: Path) -> None:
    token = "ada-0123456789abcdef"
    (tmp_path / "ada").write_text(token)
    bearer = {"Authorization": f"Bearer {token}"}
    async with serving(CHEKOV_AUTH_TOKENS=str(tmp_path)) as server:
        await schedule(server, "after=0", **bearer)

        async def is_opened() -> bool:
            return await server.store.head() == 1

        await until(is_opened)
        [opened] = await server.store.read_stream(f"account-{ID}")
        assert decode_metadata(opened.metadata)["$principal"] == "ada"


async def test_a_delay_is_in_seconds(serving: Serving) -> None:
    async with serving() as server:
        before = datetime.now(UTC)
        await schedule(server, "after=3600")
        [shown] = (await listed(server))["scheduled"]
        delay = datetime.fromisoformat(shown["due"]) - before
        assert timedelta(hours=1) <= delay < timedelta(hours=2)


async def test_a_command_is_scheduled_again_and_again(serving: Serving) -> None:
    async with serving() as server:
        id_ = await schedule(server, "cron=0 0 1 * *&timezone=Europe/Berlin&missed=skip")
        [shown] = (await listed(server))["scheduled"]
        assert (UUID(shown["id"]), shown["cron"]) == (id_, "0 0 1 * *")
        assert (shown["timezone"], shown["missed"]) == ("Europe/Berlin", "skip")


async def test_a_domain_may_have_only_so_many_recurring_commands(serving: Serving) -> None:
    async with serving(CHEKOV_MAX_RECURRING="1") as server:
        await schedule(server, "cron=0 0 1 * *")
        response = await server.api.post("/commands/OpenAccount?cron=0 0 2 * *", json=OPEN)
        document = await problem(response, 409, "too-many-recurring")
        assert document["most"] == 1
        assert "CHEKOV_MAX_RECURRING" in str(document["detail"])


async def test_the_idempotency_key_has_it_scheduled_once(serving: Serving) -> None:
    async with serving() as server:
        key = str(uuid4())
        for _ in range(2):
            assert str(await schedule(server, AT, **{"Idempotency-Key": key})) == key
        assert len((await listed(server))["scheduled"]) == 1


@pytest.mark.parametrize(
    ("query", "path", "detail"),
    [
        ("at=tomorrow", "at", "a time with a zone"),
        ("at=2120-01-31T12:00:00", "at", "a time with a zone"),
        ("after=-1", "after", "a whole number from 0"),
        ("after=1h", "after", "a whole number from 0"),
        ("after=99999999999", "after", "a whole number from 0"),
        ("cron=0 0 1 *", "cron", "is not five fields"),
        ("cron=0 0 1 * *&timezone=Berlin", "timezone", "IANA name"),
        ("cron=0 0 1 * *&missed=never", "missed", "'once', 'skip' or 'all'"),
        (f"{AT}&timezone=UTC", "timezone", "is for cron"),
        (f"{AT}&after=5", "after", "give one of at, after and cron, not at too"),
        (f"{AT}&return=state", "return", "unknown parameter"),
        ("timezone=UTC", "timezone", "is for cron"),
        ("return=state&missed=all", "missed", "is for cron"),
        ("when=now", "when", "known here: after, at, cron, missed, return, timezone"),
    ],
)
async def test_a_time_that_cannot_be_used_is_refused(
    serving: Serving, query: str, path: str, detail: str
) -> None:
    async with serving() as server:
        response = await server.api.post(f"/commands/OpenAccount?{query}", json=OPEN)
        document = await problem(response, 400, "malformed-request")
        assert document["path"] == path
        assert detail in str(document["detail"])
        assert (await listed(server))["scheduled"] == []


async def test_a_command_for_later_is_checked_now(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post(f"/commands/OpenAccount?{AT}", json={"owner": "Ada"})
        await problem(response, 400, "invalid-command")
        response = await server.api.post(f"/commands/Nothing?{AT}", json=OPEN)
        await problem(response, 404, "unknown-command")
        for header in ("If-Match", "If-None-Match"):
            response = await server.api.post(
                f"/commands/OpenAccount?{AT}", json=OPEN, headers={header: "*"}
            )
            assert (await problem(response, 400, "malformed-request"))["header"] == header


async def test_what_is_scheduled_is_listed_page_by_page(serving: Serving) -> None:
    async with serving() as server:
        ids = sorted([str(await schedule(server, AT)) for _ in range(5)])
        found: list[str] = []
        after = ""
        while after is not None:
            page = await listed(server, f"?limit=2&after={after}")
            found += [item["id"] for item in page["scheduled"]]
            after = page["next"]
        assert found == ids
        before_all = f"0001-01-01T00:00:00%2B14:00/{ids[0]}"
        for wrong in ("x", "2120-01-31T12:00:00/1", f"2120-01-31T12:00:00/{ids[0]}", before_all):
            response = await server.management.get(f"/scheduled?after={wrong}")
            assert (await problem(response, 400, "malformed-request"))["path"] == "after"


async def test_what_is_scheduled_is_cancelled_with_the_token(serving: Serving) -> None:
    async with serving(CHEKOV_MANAGEMENT_TOKEN="secret") as server:
        id_ = await schedule(server, AT)
        path = f"/scheduled/{id_}"
        assert (await server.management.delete(path)).status == 401
        token = {"Authorization": "Bearer secret"}
        assert (await server.management.delete(path, headers=token)).status == 204
        response = await server.management.delete(path, headers=token)
        await problem(response, 404, "not-found")
        response = await server.management.delete("/scheduled/7", headers=token)
        await problem(response, 400, "malformed-request")
        assert (await listed(server, **token))["scheduled"] == []


async def test_the_api_describes_it(serving: Serving) -> None:
    async with serving() as server:
        document = await (await server.api.get("/openapi.json")).json()
        operation = document["paths"]["/commands/OpenAccount"]["post"]
        references = [item["$ref"] for item in operation["parameters"] if "$ref" in item]
        parameters = document["components"]["parameters"]
        names = {parameters[reference.rpartition("/")[2]]["name"] for reference in references}
        assert {"at", "after", "cron", "timezone", "missed"} <= names
        schema = operation["responses"]["202"]["content"]["application/json"]["schema"]
        assert {"$ref": "#/components/schemas/Chekov.Scheduled"} in schema["anyOf"]


def opening(**members: object) -> dict[str, object]:
    """The line of a batch that opens the account."""
    return {"command": "OpenAccount", "data": OPEN, **members}


async def post_lines(server: Server, *lines: dict[str, object]) -> list[dict[str, Any]]:
    body = "\n".join(map(json.dumps, lines))
    headers = {"Content-Type": "application/x-ndjson"}
    response = await server.api.post("/commands", data=body.encode(), headers=headers)
    return [json.loads(line) for line in (await response.text()).splitlines()]


async def test_lines_of_a_batch_are_scheduled_like_single_commands(serving: Serving) -> None:
    once, again = str(uuid4()), str(uuid4())
    async with serving() as server:
        before = datetime.now(UTC)
        answers = await post_lines(
            server,
            opening(id=once, at="2120-01-31T13:00:00+01:00", metadata={"tenant": "blue"}),
            opening(id=again, cron="0 0 1 * *", timezone="Europe/Berlin", missed="skip"),
            opening(after=3600),
            opening(),
        )
        assert [answer.get("scheduled") for answer in answers[:2]] == [once, again]
        assert answers[3]["stream"] == f"account-{ID}"
        found = {item["id"]: item for item in (await listed(server))["scheduled"]}
        assert found.keys() == {answer["scheduled"] for answer in answers[:3]}
        assert datetime.fromisoformat(found[once]["due"]) == LATER
        assert (found[again]["cron"], found[again]["missed"]) == ("0 0 1 * *", "skip")
        assert found[again]["timezone"] == "Europe/Berlin"
        delay = datetime.fromisoformat(found[answers[2]["scheduled"]]["due"]) - before
        assert timedelta(hours=1) <= delay < timedelta(hours=2)
        stored = await server.store.schedules.list(server.runtime.domain.name)
        kept = {str(item.id): item for item in stored}
        assert decode_metadata(kept[once].metadata) == {"tenant": "blue"}


@pytest.mark.parametrize(
    ("members", "path", "detail"),
    [
        ({"at": "2120-01-31T12:00:00"}, "$.at", "timezone"),
        ({"at": "soon"}, "$.at", "Invalid RFC3339"),
        ({"after": -1}, "$.after", "a whole number from 0"),
        ({"after": 10**12}, "$.after", "a whole number from 0"),
        ({"after": 1.5}, "$.after", "Expected `int | null`"),
        ({"at": "2120-01-31T12:00:00Z", "after": 1}, "$.after", "not at too"),
        ({"cron": "x 0 1 * *"}, "$.cron", "Bad minute"),
        ({"cron": "0 0 1 * *", "timezone": "Mars"}, "$.timezone", "IANA"),
        ({"cron": "0 0 1 * *", "missed": "some"}, "$.missed", "Invalid enum value"),
        ({"timezone": "UTC"}, "$.timezone", "for cron"),
        ({"after": 1, "expected_version": 0}, "$.expected_version", "for later"),
        ({"after": 1, "return": "state"}, "$.return", "for later"),
    ],
)
async def test_a_line_that_cannot_be_scheduled_is_refused(
    serving: Serving, members: dict[str, object], path: str, detail: str
) -> None:
    async with serving() as server:
        (answer,) = await post_lines(server, opening(**members))
        assert answer["type"] == "urn:chekov:problem:malformed-request"
        assert answer["path"] == path
        assert detail in answer["detail"]
        assert not (await listed(server))["scheduled"]


async def test_a_line_beyond_the_recurring_commands_of_a_domain_is_refused(
    serving: Serving,
) -> None:
    async with serving(CHEKOV_MAX_RECURRING="1") as server:
        first, second = await post_lines(
            server, opening(cron="0 0 1 * *"), opening(cron="0 0 2 * *")
        )
        assert "scheduled" in first
        assert second["type"] == "urn:chekov:problem:too-many-recurring"
