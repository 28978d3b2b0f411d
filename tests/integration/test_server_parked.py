"""What a person does at the command line about an event that a projection fails on."""

import json
from typing import Any
from uuid import uuid4

import aiohttp

from tests.integration.server_process import Server, bank, chekov, post, run
from tests.waiting import until


async def fill(session: aiohttp.ClientSession, server: Server, *accounts: str) -> None:
    """Pay 2^63 to each of the accounts, which no bigint holds, and then 1."""
    for account in accounts:
        opening = server.api("/commands/OpenAccount")
        await post(session, opening, account_id=account, owner="Ada")
    for account in accounts:
        for amount in (2**63, 1):
            deposit = {"account_id": account, "amount": amount}
            async with session.post(server.api("/commands/Deposit"), json=deposit) as response:
                assert response.status == 200


async def test_parked_events_are_shown_retried_and_discarded(dsn: str) -> None:
    at = ("--domain", "bank", "--dsn", dsn, "-o", "json")
    account, other = str(uuid4()), str(uuid4())

    async def shown(action: str, *options: str) -> Any:
        code, out, errors = await run("subscriptions", action, "balances", *options, *at)
        assert code == 0, errors
        return json.loads(out)

    async with chekov("serve", **bank(dsn)) as server, aiohttp.ClientSession() as session:
        await server.serving()
        await fill(session, server, account, other)

        async def parked() -> list[dict[str, Any]]:
            url = server.management("/subscriptions/balances/parked")
            async with session.get(url) as response:
                return (await response.json())["parked"]

        async def all_parked() -> bool:
            return len(await parked()) == 4

        await until(all_parked)
        [subscription] = await shown("list")
        numbers = (subscription["parked"], subscription["parked_keys"])
        assert (*numbers, subscription["keyed_by"]) == (4, 2, "stream")
        [group] = await shown("groups")
        assert (group["events"], group["first"], group["last"]) == (2, 3, 5)
        assert group["fingerprint"].startswith("balances/money-deposited/DataError/")
        [one] = await shown("parked", "--position", "3")
        found = (one["state"], one["attempts"], one["key"], json.loads(one["data"]))
        assert found == ("failed", 1, f"account-{account}", {"amount": 2**63})
        assert "Traceback" in one["traceback"]
        blocked = await shown("parked", "--key", f"account-{account}", "--after", "3")
        assert [(item["position"], item["state"]) for item in blocked] == [(4, "blocked")]
        out = (await run("subscriptions", "parked", "balances", "--position", "3", *at[:-2]))[1]
        assert {"state: failed", "traceback:"} <= set(out.splitlines())

        assert (await shown("retry", "--fingerprint", group["fingerprint"])) == [
            {"name": "balances", "retried": 2}
        ]

        async def tried_again() -> bool:
            failed = [item for item in await parked() if item["state"] == "failed"]
            return [item["attempts"] for item in failed] == [2, 2]

        await until(tried_again)
        discarded = await shown("discard", "--key", f"account-{account}", "--reason", "a typo")
        assert discarded == [{"name": "balances", "discarded": 1}]

        async def only_the_other() -> bool:
            return [item["position"] for item in await parked()] == [5, 6]

        await until(only_the_other)
        [record] = await shown("discarded")
        assert (record["position"], record["reason"]) == (3, "a typo")
        balance = server.api(f"/queries/balances/balance?account=account-{account}")
        async with session.get(balance) as response:
            assert await response.json() == 1
