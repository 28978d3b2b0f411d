"""The commands that inspect and change a store from a terminal."""

import json
from uuid import uuid4

import aiohttp
import pytest

from chekov.store.postgres import PostgresStore
from tests.integration.server_process import bank, chekov, post, run


async def test_a_schema_is_migrated_once(empty_dsn: str) -> None:
    code, out, _ = await run("migrate", "-o", "json", CHEKOV_STORE=empty_dsn)
    done = json.loads(out)
    assert (code, done["schema"], done["from"]) == (0, "chekov", 0)
    assert done["to"] > 0
    code, out, _ = await run("migrate", "--dsn", empty_dsn)
    assert (code, out) == (0, f"schema chekov is already at version {done['to']}\n")


async def test_what_a_store_holds_is_listed(dsn: str) -> None:
    account = str(uuid4())
    async with (
        chekov("serve", **bank(dsn)) as server,
        aiohttp.ClientSession() as session,
    ):
        await server.serving()
        await post(session, server.api("/commands/OpenAccount"), account_id=account, owner="Ada")
        await post(session, server.api("/commands/Deposit"), account_id=account, amount=5)

    code, out, _ = await run("events", "--dsn", dsn, "-o", "json")
    listed = [json.loads(line) for line in out.splitlines()]
    assert (code, [item["position"] for item in listed]) == (0, [1, 2])
    assert listed[1]["data"] == {"amount": 5}

    code, out, _ = await run("events", "--dsn", dsn, "--backward", "--limit", "1")
    heading, row = out.splitlines()
    assert heading.split() == ["POSITION", "STREAM", "VERSION", "TYPE", "TIME", "DATA"]
    assert row.split()[:4] == ["2", f"account-{account}", "2", "money-deposited"]

    code, out, _ = await run("streams", f"account-{account}", "--dsn", dsn, "--after", "1")
    assert len(out.splitlines()) == 2

    code, out, _ = await run("spec", f"account-{account}@2", "bank:domain", **bank(dsn))
    assert code == 0
    assert f"spec.when(Deposit(account_id=UUID('{account}'), amount=5)) == [" in out
    compile(out, "a test", "exec")

    code, out, _ = await run("subscriptions", "--domain", "bank", "--dsn", dsn, "-o", "json")
    balances, interest, transfer = json.loads(out)
    assert (balances["name"], balances["position"]) == ("balances", 2)
    assert (balances["lag"], balances["parked"]) == (0, 0)
    assert (interest["name"], transfer["name"]) == ("interest", "transfer")


async def test_a_subscription_is_paused_and_resumed(dsn: str) -> None:
    environment = bank(dsn)
    at = ("--domain", "bank", "--dsn", dsn)
    async with chekov("serve", **environment) as server, aiohttp.ClientSession() as session:
        await server.serving()
        code, out, _ = await run("subscriptions", "pause", "balances", *at, "-o", "json")
        (subscription,) = json.loads(out)
        assert (code, subscription["state"], subscription["owner"]) == (0, "paused", None)
        account = str(uuid4())
        opening = {"account_id": account, "owner": "Ada"}
        async with session.post(server.api("/commands/OpenAccount"), json=opening) as response:
            assert response.status == 200
        code, out, _ = await run("subscriptions", "list", *at)
        assert out.splitlines()[1].split()[:6] == ["balances", "1", "0", "paused", "0", "1"]
        code, out, _ = await run("subscriptions", "resume", "balances", *at, "-o", "json")
        assert (code, json.loads(out)[0]["state"]) == (0, "running")
        async with session.post(
            server.api("/commands/Deposit"),
            json={"account_id": account, "amount": 5},
            headers={"Prefer": "wait=30"},
        ) as response:
            assert (await response.json())["consistent"] is True
    code, out, _ = await run("subscriptions", "parked", "balances", *at)
    assert (code, len(out.splitlines())) == (0, 1)
    code, _, errors = await run("subscriptions", "pause", "balance", *at)
    assert code == 1
    assert "no subscription 'balance'; it has balances, interest, transfer" in errors


async def test_a_subscription_to_pause_has_to_be_named(dsn: str) -> None:
    code, _, errors = await run("subscriptions", "pause", "--domain", "bank", "--dsn", dsn)
    assert code == 2
    assert "needs the NAME of a subscription" in errors


async def test_events_are_followed(dsn: str) -> None:
    environment = bank(dsn)
    async with (
        chekov("serve", **environment) as server,
        chekov("events", "--follow", "-o", "json", "--dsn", dsn) as follower,
        aiohttp.ClientSession() as session,
    ):
        await server.serving()
        await post(
            session, server.api("/commands/OpenAccount"), account_id=str(uuid4()), owner="Ada"
        )
        assert follower.child.stdout
        assert json.loads(await follower.child.stdout.readline())["position"] == 1
        follower.terminate()
        assert await follower.ended() == 0


async def test_a_stream_is_followed_until_it_is_deleted(dsn: str) -> None:
    account = uuid4()
    async with (
        chekov("serve", **bank(dsn)) as server,
        aiohttp.ClientSession() as session,
        PostgresStore(dsn) as store,
    ):
        await server.serving()
        open_account = server.api("/commands/OpenAccount")
        await post(session, open_account, account_id=str(account), owner="Ada")
        stream = f"account-{account}"
        async with chekov("streams", stream, "--follow", "-o", "json", "--dsn", dsn) as follower:
            assert follower.child.stdout
            assert json.loads(await follower.child.stdout.readline())["version"] == 1
            await post(session, server.api("/commands/Deposit"), account_id=str(account), amount=1)
            assert json.loads(await follower.child.stdout.readline())["version"] == 2
            await store.streams.delete(stream)
            assert await follower.ended() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("streams", "account-none"), "there is no stream 'account-none'"),
        (("events", "--schema", "other"), "holds no event store"),
    ],
)
async def test_what_is_missing_is_a_failure(
    dsn: str, arguments: tuple[str, ...], message: str
) -> None:
    code, out, errors = await run(*arguments, "--dsn", dsn)
    assert (code, out) == (1, "")
    assert message in errors
    assert "Traceback" not in errors


async def test_a_store_that_is_away_is_a_failure_without_its_password() -> None:
    code, _, errors = await run("events", "--dsn", "postgresql://me:hunter2@127.0.0.1:1/base")
    assert code == 1
    assert "hunter2" not in errors
    assert "Traceback" not in errors
