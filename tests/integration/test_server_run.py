"""`chekov run examples/bank/bundle.yaml`: the whole path on one machine, and again after a stop."""

import json
import os
import shlex
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import aiohttp

from tests.integration.server_process import BANK, Server, chekov, post
from tests.waiting import until


def run(folder: Path) -> AbstractAsyncContextManager[Server]:
    return chekov(
        "run",
        str(BANK / "bundle.yaml"),
        "--data",
        str(folder),
        "--http-port=0",
        "--management-port=0",
        "--output=json",
    )


async def events(session: aiohttp.ClientSession, url: str, after: int, count: int) -> list[int]:
    """Positions of the next events of a stream without an end."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    found: list[int] = []
    async with session.get(url, headers=headers) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line.removeprefix(b"data: "))["position"])
            if len(found) == count:
                break
    return found


async def try_out(session: aiohttp.ClientSession, server: Server) -> None:
    """Do what the program says one could try."""
    assert server.child.stdout
    shown = json.loads(await server.child.stdout.readline())
    command, reading = (shlex.split(line) for line in shown["try"])
    headers = {"Content-Type": "application/json"}
    async with session.post(command[2], data=command[4], headers=headers) as response:
        assert response.status == 200
        stored = await response.json()
    async with session.get(reading[2]) as response:
        assert (await response.json())["events"] == stored["events"]


async def test_a_bank_runs_from_its_bundle_and_is_found_again(tmp_path: Path) -> None:
    account = str(uuid4())
    stream = f"account-{account}"
    async with aiohttp.ClientSession() as session:
        async with run(tmp_path) as server:
            await server.serving()
            await try_out(session, server)
            opened = await post(
                session, server.api("/commands/OpenAccount"), account_id=account, owner="Ada"
            )
            assert opened["stream"] == stream
            paid = await post(
                session, server.api("/commands/Deposit"), account_id=account, amount=25
            )
            assert paid["consistent"] is True
            async with session.get(server.api(f"/streams/{stream}")) as response:
                page = await response.json()
                assert [event["data"] for event in page["events"]] == [
                    {"owner": "Ada"},
                    {"amount": 25},
                ]
            query = server.api(f"/queries/balances/balance?account={stream}")
            async with session.get(query) as response:
                assert await response.json() == 25
            async with session.get(server.management("/metrics")) as response:
                page = await response.text()
                counted = 'chekov_commands_total{command="Deposit",outcome="accepted"} 1.0'
                assert counted in page
            assert await events(session, server.api("/events"), 1, 2) == [2, 3]
            server.terminate()
            assert await server.ended() == 0

        async with run(tmp_path) as server:
            await server.serving()
            async with session.get(server.api(f"/aggregates/account/{account}")) as response:
                assert (await response.json())["state"]["balance"] == 25
            assert await events(session, server.api("/events"), 2, 1) == [3]


async def test_the_bundle_with_inline_code_runs_too(dsn: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        chekov(
            "run",
            str(BANK / "bundle-inline.yaml"),
            f"--dsn={dsn}",
            "--http-port=0",
            "--management-port=0",
        ) as server,
    ):
        await server.serving()
        async with session.get(server.management("/manifest")) as response:
            manifest = await response.json()
    assert (manifest["domain"], manifest["bundle"]) == ("bank", "bank")


async def test_a_domain_of_a_module_runs_too(dsn: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        chekov(
            "run",
            "examples.bank.bank:domain",
            f"--dsn={dsn}",
            "--http-port=0",
            "--management-port=0",
        ) as server,
    ):
        await server.serving()
        async with session.get(server.management("/readyz")) as response:
            assert response.status == 200


async def test_a_program_starts_its_postgres_again_when_that_was_killed(tmp_path: Path) -> None:
    account = str(uuid4())
    async with aiohttp.ClientSession() as session, run(tmp_path) as server:
        await server.serving()
        await post(session, server.api("/commands/OpenAccount"), account_id=account, owner="A")
        status = (tmp_path / "postgres" / "data" / "postmaster.pid").read_text()
        os.kill(int(status.splitlines()[0]), signal.SIGKILL)
        await until(lambda: "it is started again" in "".join(map(str, server.log)))

        async def deposited() -> bool:
            body = {"account_id": account, "amount": 1}
            async with session.post(server.api("/commands/Deposit"), json=body) as response:
                return response.status == 200

        await until(deposited)
        assert await events(session, server.api("/events"), 0, 2) == [1, 2]
    said = "".join(line for line in server.log if isinstance(line, str))
    assert "was killed by SIGKILL" in said
    assert "Traceback" not in said
