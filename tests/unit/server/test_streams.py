"""Streams and events are read page by page."""

from datetime import datetime
from uuid import uuid4

import pytest

from chekov.store.port import NewEvent
from tests.unit.server.conftest import ID, Serving, fill, slug


async def test_a_stream_is_read_page_by_page(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        first = await (await server.api.get(f"/streams/account-{ID}?limit=3")).json()
        assert first["stream"] == f"account-{ID}"
        assert [event["version"] for event in first["events"]] == [1, 2, 3]
        assert first["next"] == 3
        rest = await (await server.api.get(f"/streams/account-{ID}?limit=3&after=3")).json()
        assert [event["version"] for event in rest["events"]] == [4]
        assert rest["next"] is None


async def test_a_stream_is_read_backward(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        path = f"/streams/account-{ID}?direction=backward&limit=2"
        page = await (await server.api.get(path)).json()
        assert [event["version"] for event in page["events"]] == [4, 3]
        page = await (await server.api.get(f"{path}&after={page['next']}")).json()
        assert [event["version"] for event in page["events"]] == [2, 1]
        assert page["next"] is None


async def test_a_stream_is_read_as_it_was(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        path = f"/streams/account-{ID}?until="
        page = await (await server.api.get(f"{path}2")).json()
        assert [event["version"] for event in page["events"]] == [1, 2]
        page = await (await server.api.get(f"{path}1999-01-01T00:00:00Z")).json()
        assert page["events"] == []
        assert await slug(await server.api.get(f"{path}now")) == (400, "malformed-request")


async def test_streams_are_listed_by_name(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        for name in ("a-1", "a-2", "b-1"):
            await server.store.append(name, [NewEvent(uuid4(), "t", b"{}")])
        await server.store.streams.truncate(f"account-{ID}", before=3)

        async def names(query: str) -> tuple[list[str], str | None]:
            page = await (await server.api.get(f"/streams?{query}")).json()
            return [item["stream"] for item in page["streams"]], page["next"]

        assert await names("prefix=a-") == (["a-1", "a-2"], None)
        assert await names("prefix=a-&limit=1") == (["a-1"], "a-1")
        assert await names("prefix=a-&limit=1&after=a-1") == (["a-2"], None)
        assert await names("containing=-1") == (["a-1", "b-1"], None)
        page = await (await server.api.get("/streams?prefix=account")).json()
        [listed] = page["streams"]
        assert (listed["version"], listed["first"]) == (4, 3)
        assert datetime.fromisoformat(listed["created"]).tzinfo


async def test_after_the_end_of_a_stream_pages_are_empty(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        page = await (await server.api.get(f"/streams/account-{ID}?after=99")).json()
        assert (page["events"], page["next"]) == ([], None)
        response = await server.api.get("/streams/account-none")
        assert await slug(response) == (404, "stream-not-found")


async def test_everything_is_read_by_position_and_filtered(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        get = server.api.get
        page = await (await get("/events?after=1&limit=2")).json()
        assert [event["position"] for event in page["events"]] == [2, 3]
        assert page["next"] == 3
        page = await (await get("/events?type=AccountOpened")).json()
        assert [event["position"] for event in page["events"]] == [1]
        page = await (await get("/events?category=car")).json()
        assert page["events"] == []
        page = await (await get("/events?direction=backward&limit=1")).json()
        assert [event["position"] for event in page["events"]] == [4]


async def test_events_are_found_by_what_they_belong_to(serving: Serving) -> None:
    flow, key = str(uuid4()), str(uuid4())
    async with serving() as server:
        await fill(server)
        headers = {"X-Correlation-ID": flow, "Idempotency-Key": key}
        body = {"account_id": ID, "amount": 9}
        await server.api.post("/commands/deposit-money", json=body, headers=headers)

        async def found(query: str) -> list[int]:
            page = await (await server.api.get(f"/events?{query}")).json()
            return [event["position"] for event in page["events"]]

        assert await found(f"correlation={flow}") == [5]
        assert await found(f"causation={key}") == [5]
        assert await found(f"causation={flow}") == []
        assert await found("prefix=acc&type=AccountOpened") == [1]
        assert await found("prefix=b") == []


@pytest.mark.parametrize(
    "path",
    [
        "/events?limit=0",
        "/events?types=a",
        "/events?correlation=7",
        "/streams/x-1?type=a",
        "/streams?direction=backward",
        "/streams?limit=0",
    ],
)
async def test_a_bad_parameter_is_refused(serving: Serving, path: str) -> None:
    async with serving() as server:
        assert await slug(await server.api.get(path)) == (400, "malformed-request")


async def test_a_page_ends_early_once_it_holds_some_megabytes(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chekov.server.streams._PAGE_BYTES", 30)
    async with serving() as server:
        await fill(server, deposits=50)
        for path in (f"/streams/account-{ID}", "/events", "/events?direction=backward"):
            seen: list[int] = []
            following: int | None = None
            while following is not None or not seen:
                mark = "&" if "?" in path else "?"
                after = "" if following is None else f"&after={following}"
                page = await (await server.api.get(f"{path}{mark}limit=40{after}")).json()
                assert 1 <= len(page["events"]) <= 3
                seen += [event["position"] for event in page["events"]]
                following = page["next"]
            assert sorted(seen) == list(range(1, 52))
            assert seen == sorted(seen, reverse="backward" in path)


async def test_a_page_of_many_parts_holds_what_was_asked_for(serving: Serving) -> None:
    async with serving() as server:
        await fill(server, deposits=120)
        for limit, following in ((1, 1), (32, 32), (33, 33), (120, 120), (121, None), (500, None)):
            page = await (await server.api.get(f"/events?limit={limit}")).json()
            assert [event["position"] for event in page["events"]] == list(
                range(1, min(limit, 121) + 1)
            )
            assert page["next"] == following
