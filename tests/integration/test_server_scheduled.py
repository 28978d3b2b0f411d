"""Scheduled over HTTP; listed, cancelled at the command line; executed by another process."""

import json
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from tests.integration.server_process import Server, bank, chekov, post, run
from tests.waiting import until


async def schedule(session: aiohttp.ClientSession, server: Server, account: str, when: str) -> str:
    """Schedule a deposit of 5, and return its id."""
    url = server.api(f"/commands/Deposit?{when}")
    async with session.post(url, json={"account_id": account, "amount": 5}) as response:
        assert response.status == 202
        return (await response.json())["scheduled"]


async def test_commands_are_scheduled_listed_cancelled_and_executed(dsn: str) -> None:
    at = ("--domain", "bank", "--dsn", dsn)
    account = str(uuid4())

    async def listed(*options: str) -> list[dict[str, Any]]:
        """What is scheduled, without the interest of the account."""
        code, out, errors = await run("scheduled", *options, *at, "-o", "json")
        assert code == 0, errors
        return [item for item in json.loads(out) if item["id"] != account]

    async def interest_is_scheduled() -> bool:
        code, out, _ = await run("scheduled", *at)
        return (code, account in out) == (0, True)

    async with aiohttp.ClientSession() as session:
        async with chekov("serve", **bank(dsn)) as server:
            await server.serving()
            await post(session, server.api("/commands/OpenAccount"), account_id=account, owner="A")
            once = await schedule(session, server, account, "at=2120-01-31T12:00:00Z")
            monthly = await schedule(session, server, account, "cron=0 0 1 * *")
            await until(interest_is_scheduled)
            first, second = await listed("list")
            assert (first["id"], first["cron"], first["command"]) == (
                monthly,
                "0 0 1 * *",
                "Deposit",
            )
            assert (second["id"], second["due"]) == (once, "2120-01-31T12:00:00Z")
            assert await listed("list", "--after", first["cursor"], "--limit", "1") == [second]
            for id_ in (once, monthly):
                assert await listed("cancel", id_) == [{"id": id_, "cancelled": True}]
            code, out, _ = await run("scheduled", *at)
            heading, interest = out.splitlines()
            assert (code, heading.split()[:4]) == (0, ["ID", "COMMAND", "DUE", "CRON"])
            assert interest.split()[:2] == [account, "PayInterest"]
            due = await schedule(session, server, account, "after=2")
        async with chekov("serve", **bank(dsn)) as server:
            await server.serving()

            async def is_paid() -> bool:
                async with session.get(server.api(f"/aggregates/account/{account}")) as response:
                    return (await response.json())["state"]["balance"] == 5

            await until(is_paid)
            async with session.get(server.api(f"/streams/account-{account}")) as response:
                paid = (await response.json())["events"][-1]
            assert paid["causation_id"] == due


async def test_what_cannot_be_cancelled_is_a_failure(dsn: str) -> None:
    async with chekov("serve", **bank(dsn)) as server:
        await server.serving()
    at = ("--domain", "bank", "--dsn", dsn)
    code, _, errors = await run("scheduled", "cancel", str(UUID(int=7)), *at)
    assert (code, "nothing is scheduled with the id" in errors) == (1, True)
    code, _, errors = await run("scheduled", "cancel", *at)
    assert (code, "needs the ID" in errors) == (2, True)
    for wrong in (("cancel", "7"), ("list", "--after", "x")):
        code, _, errors = await run("scheduled", *wrong, *at)
        assert (code, "is a UUID" in errors) == (2, True)
