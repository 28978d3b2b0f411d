"""The command line over HTTP: a service is asked by its URL, as a store is by its DSN."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from chekov.cli import main
from tests.unit.client.conftest import answering
from tests.unit.server.conftest import ID, OPEN, Server, fill, running

TOKEN = "a-secret-of-ada-the-first"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHEKOV_URL", "CHEKOV_TOKEN", "CHEKOV_TOKEN_FILE", "CHEKOV_STORE"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Terminal:
    """Somebody who asks a service.

    Attributes:
        server: the service.
        output: what the commands write.
    """

    server: Server
    output: pytest.CaptureFixture[str]

    async def run(self, *arguments: str, code: int = 0) -> str:
        """What a command writes, which ends with this exit code."""
        given = [*arguments, "--url", str(self.server.api.make_url("/"))]
        return await self._run(given, code)

    async def manage(self, *arguments: str, code: int = 0) -> str:
        """What a command writes that asks the management port."""
        given = [*arguments, "--url", str(self.server.management.make_url("/"))]
        return await self._run(given, code)

    async def _run(self, arguments: list[str], code: int) -> str:
        found = await asyncio.to_thread(main, arguments)
        written = self.output.readouterr()
        assert found == code, written
        return written.err if code else written.out

    async def json(self, *arguments: str) -> Any:
        return json.loads(await self.run(*arguments, "-o", "json"))


@asynccontextmanager
async def terminal(
    output: pytest.CaptureFixture[str], **environment: str
) -> AsyncGenerator[Terminal]:
    async with running(domain_options={}, **environment) as server:
        yield Terminal(server, output)


async def test_a_command_is_dispatched(capsys: pytest.CaptureFixture[str]) -> None:
    id_ = str(uuid4())
    async with terminal(capsys) as shell:
        shown = await shell.run("dispatch", "OpenAccount", json.dumps(OPEN))
        assert f"account-{ID} is at version 1" in shown
        assert '{"owner":"Ada"}' in shown
        deposit = ("dispatch", "deposit-money", json.dumps({"account_id": ID, "amount": 3}))
        first = await shell.json(*deposit, "--id", id_, "--metadata", '{"tenant":"blue"}')
        again = await shell.json(*deposit, "--id", id_)
        assert (first["repeated"], again["repeated"]) == (False, True)
        assert first["events"] == again["events"]
        assert first["events"][0]["data"] == {"amount": 3}
        assert first["events"][0]["metadata"]["tenant"] == "blue"
        state = await shell.json(*deposit, "--returns", "state", "--wait", "5")
        assert state["state"] == {"owner": "Ada", "balance": 6}
        assert "balance: 9" in await shell.run(*deposit, "--returns", "state")


async def test_many_commands_are_dispatched_with_options_of_their_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cause, id_ = str(uuid4()), str(uuid4())
    deposit = {"command": "deposit-money", "data": {"account_id": ID, "amount": 3}}
    lines = [
        {"command": "OpenAccount", "data": OPEN, "expected_version": 0, "wait": 30},
        {**deposit, "id": id_, "causation_id": cause, "metadata": {"tenant": "blue"}},
        {**deposit, "expected_version": 7},
        {**deposit, "id": id_, "expected_version": "*"},
        {**deposit, "return": "state"},
    ]
    file = tmp_path / "commands.jsonl"
    file.write_text("\n\n".join(map(json.dumps, lines)))
    async with terminal(capsys) as shell:
        given = ["dispatch-all", str(file), "--url", str(shell.server.api.make_url("/"))]
        assert await asyncio.to_thread(main, [*given, "-o", "json"]) == 1
        written = capsys.readouterr()
        again = await shell.run("dispatch-all", str(file), code=1)
    opened, first, refused, repeated, last = map(json.loads, written.out.splitlines())
    assert written.err == "chekov: 1 commands were refused\n"
    assert opened["version"] == 1
    metadata = first["events"][0]["metadata"]
    assert (metadata["tenant"], metadata["$caused_by"]) == ("blue", cause)
    assert (refused["kind"], set(refused)) == (
        "WrongExpectedVersion", {"command_id", "kind", "error"},
    )  # fmt: skip
    assert (repeated["repeated"], repeated["events"]) == (True, first["events"])
    assert (last["state"]["balance"], last["events"]) == (6, [])
    assert "was refused: stream" in again


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ({"command": "deposit-money"}, "line 2: "),
        ({"command": "deposit-money", "data": []}, "line 2: data is not a JSON object"),
        ({"command": "deposit-money", "data": {}, "handlers": []}, "handlers is for wait"),
        ({"command": "deposit-money", "data": {}, "cron": "* * * * *"}, "with --cron"),
    ],
)
async def test_what_stands_before_a_line_that_cannot_be_sent_is_executed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: dict[str, object], fault: str
) -> None:
    file = tmp_path / "commands.jsonl"
    first = {"command": "OpenAccount", "data": OPEN}
    file.write_text(f"{json.dumps(first)}\n{json.dumps(line)}\n")
    async with terminal(capsys) as shell:
        assert fault in await shell.run("dispatch-all", str(file), code=2)
        assert (await shell.json("load", "account", ID))["version"] == 1


async def test_a_refusal_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    async with terminal(capsys) as shell:
        data = json.dumps({"account_id": ID, "amount": 3})
        error = await shell.run("dispatch", "deposit-money", data, code=1)
        assert error == "chekov: There is no such account.\n"
        await shell.run("dispatch", "OpenAccount", json.dumps(OPEN))
        error = await shell.run(
            "dispatch", "deposit-money", data, "--expected-version", "7", code=1
        )
        assert "expected version 7, found version 1" in error


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("dispatch", "Open", "{"), "DATA is not JSON"),
        (("dispatch", "Open", "[]"), "DATA is not a JSON object"),
        (("dispatch", "Open", "--id", "7"), "--id: '7' is not a UUID"),
        (("dispatch", "Open", "--at", "noon"), "--at: 'noon' is not a time with a zone"),
        (("query", "balances"), "expected PROJECTION/QUERY"),
        (("query", "balances/all", "x"), "expected NAME=VALUE"),
        (("load", "account", "7", "--time", "2026-01-01"), "is not a time with a zone"),
        (
            ("load", "account", "7", "--time", "2026-01-01T00:00:00Z", "--version", "3"),
            "--version or --time, not both",
        ),
        (("events", "--url", "x", "--ca-file", "/none"), "has no certificates"),
        (("events", "--url", "x", "--token-file", "/none"), "the token cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    arguments: tuple[str, ...], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = () if "--url" in arguments else ("--url", "http://nobody.invalid")
    assert main([*arguments, *url]) == 2
    assert fault in capsys.readouterr().err


def test_a_service_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "account", "7"]) == 2
    assert "CHEKOV_URL is not set, and --url is missing" in capsys.readouterr().err
    assert main(["events"]) == 2
    assert "CHEKOV_STORE is not set" in capsys.readouterr().err


async def test_a_state_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    async with terminal(capsys) as shell:
        await fill(shell.server)
        assert await shell.json("load", "account", ID, "--version", "2") == {
            "stream": f"account-{ID}",
            "version": 2,
            "state": {"owner": "Ada", "balance": 1},
        }
        shown = await shell.run("load", "account", ID)
        assert shown == f"account-{ID} is at version 4\nowner: Ada\nbalance: 6\n"
        await shell.run("load", "account", ID, "--time", "2100-01-01T00:00:00Z")
        assert "there is no stream" in await shell.run("load", "account", str(uuid4()), code=1)


async def test_a_projection_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.json_response([{"account": 7}])

    async with answering(answer) as url:
        arguments = ["query", "balances/top", "count=3", "kind=a", "kind=b", "--url", url]
        assert await asyncio.to_thread(main, arguments) == 0
    assert asked == ["/queries/balances/top?count=3&kind=a&kind=b"]
    assert capsys.readouterr().out == '[{"account":7}]\n'


async def test_events_are_listed_as_those_of_a_store(capsys: pytest.CaptureFixture[str]) -> None:
    async with terminal(capsys) as shell:
        await fill(shell.server)
        shown = await shell.run("events", "--type", "money-deposited", "--limit", "2")
        heading, *rows = shown.splitlines()
        assert heading.split() == ["POSITION", "STREAM", "VERSION", "TYPE", "TIME", "DATA"]
        assert [row.split()[0] for row in rows] == ["2", "3"]
        lines = (await shell.run("events", "--backward", "-o", "json")).splitlines()
        assert [json.loads(line)["position"] for line in lines] == [4, 3, 2, 1]
        response = await shell.server.api.get("/events", params={"direction": "backward"})
        assert [json.loads(line) for line in lines] == (await response.json())["events"]
        stream = await shell.run("streams", f"account-{ID}", "--after", "3")
        assert stream.splitlines()[1].endswith('{"amount":3}')
        assert "there is no stream" in await shell.run("streams", "account-none", code=1)


async def test_a_test_is_written_from_what_a_service_has_stored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with terminal(capsys) as shell:
        await fill(shell.server)
        domain = "tests.unit.client.conftest:DOMAIN"
        text = await shell.run("spec", f"account-{ID}@3", domain)
        module: dict[str, Any] = {}
        exec(text, module)
        module["test_account_at_version_3"]()
        assert f"spec.when(Deposit(account_id=UUID('{ID}'), amount=2)) == [" in text
        error = await shell.run("spec", f"account-{ID}@9", domain, code=1)
        assert "expected version 9, found version 4" in error
        assert "is not STREAM@VERSION" in await shell.run("spec", "account-7", domain, code=2)


async def test_a_token_is_sent_from_a_file_or_the_environment(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    (tokens / "ada").write_text(TOKEN)
    async with terminal(capsys, CHEKOV_AUTH_TOKENS=str(tokens)) as shell:
        assert "401 unauthorized" in await shell.run("events", code=1)
        await shell.run("events", "--token", TOKEN)
        await shell.run("events", "--token-file", str(tokens / "ada"))
        monkeypatch.setenv("CHEKOV_TOKEN_FILE", str(tokens / "ada"))
        await shell.run("events")
        monkeypatch.setenv("CHEKOV_TOKEN", "another-that-is-not-known")
        assert "401 unauthorized" in await shell.run("events", code=1)


async def test_a_command_is_scheduled_listed_and_cancelled(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with terminal(capsys) as shell:
        later = ("dispatch", "OpenAccount", json.dumps(OPEN))
        id_ = (await shell.json(*later, "--at", "2100-01-01T00:00:00Z"))["scheduled"]
        assert "scheduled as " in await shell.run(*later, "--cron", "0 0 1 * *")
        await shell.run(*later, "--after", "86400")
        listed = json.loads(await shell.manage("scheduled", "-o", "json"))
        assert len(listed) == 3
        page = ("scheduled", "--after", listed[0]["cursor"], "--limit", "1", "-o", "json")
        assert json.loads(await shell.manage(*page)) == listed[1:2]
        assert "true" in await shell.manage("scheduled", "cancel", id_)
        assert "nothing is scheduled" in await shell.manage("scheduled", "cancel", id_, code=1)


async def test_subscriptions_are_repaired_through_the_management_port(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with terminal(capsys, CHEKOV_RETRY_ATTEMPTS="1") as shell:
        shell.server.welcome.failure = "no letters left"
        await fill(shell.server, 0)
        await shell.run(
            *("dispatch", "OpenAccount", json.dumps({**OPEN, "account_id": str(uuid4())})),
            *("--handler", "welcome", "--wait", "30"),
            code=1,
        )
        [subscription] = json.loads(await shell.manage("subscriptions", "-o", "json"))
        assert (subscription["name"], subscription["owner"]) == ("welcome", "this process")
        parked = await shell.manage("subscriptions", "parked", "welcome")
        assert "no letters left" in parked
        assert "no letters left" in await shell.manage(
            "subscriptions", "parked", "welcome", "--position", "1"
        )
        [group] = json.loads(await shell.manage("subscriptions", "groups", "welcome", "-o", "json"))
        assert group["events"] == 2
        retried = await shell.manage("subscriptions", "retry", "welcome", "--position", "2")
        assert retried.split()[-1] == "1"
        reason = ("--reason", "a test", "--position", "1")
        discarded = await shell.manage("subscriptions", "discard", "welcome", *reason)
        assert discarded.split()[-1] == "1"
        assert "a test" in await shell.manage("subscriptions", "discarded", "welcome")
        assert "welcome" in await shell.manage("subscriptions", "pause", "welcome")
        assert "welcome" in await shell.manage("subscriptions", "resume", "welcome")
        assert await shell.manage("subscriptions", "abandoned", "-o", "json") == "[]\n"
        unknown = ("subscriptions", "remove", "nothing", "--version", "1")
        await shell.manage(*unknown, code=1)


async def test_events_are_followed_until_the_program_is_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with terminal(capsys) as shell:
        await fill(shell.server, 1)
        url = str(shell.server.api.make_url("/"))
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chekov.cli", "events", "--follow", "-o", "json"),
            *("--after", "1", "--url", url),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert json.loads(await child.stdout.readline())["position"] == 2
        await fill(shell.server, 1)
        assert json.loads(await child.stdout.readline())["position"] == 3
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0


async def test_a_stream_is_followed_until_it_is_deleted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with terminal(capsys) as shell:
        await fill(shell.server, 1)
        url = str(shell.server.api.make_url("/"))
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chekov.cli", "streams", f"account-{ID}", "--follow"),
            *("--url", url),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert b"AccountOpened" in await child.stdout.readline()
        assert b'{"amount":1}' in await child.stdout.readline()
        await shell.server.runtime.store.streams.delete(f"account-{ID}")
        assert await child.wait() == 0
