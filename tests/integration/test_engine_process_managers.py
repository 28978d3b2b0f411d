"""Transfers between accounts on Postgres, while the processes that run them are killed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from chekov import Retry, Runtime
from chekov.cli import main
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import ChekovError
from tests.integration.transfer_process import KEY, LEASE, transferring
from tests.unit.engine.processes.several_instances import SCENARIOS
from tests.unit.engine.processes.test_set_aside import keep_back, orders, seen
from tests.unit.engine.processes.transfers import (
    DONE,
    REFUSED,
    UNDONE,
    Account,
    Deposit,
    Request,
    domain,
    movements,
)
from tests.waiting import until

WISHES = (("a", "b", DONE), ("poor", "b", REFUSED), ("a", "closed", UNDONE), ("a", "b2", DONE))


async def request(runtime: Runtime, number: int) -> None:
    source, target, _ = WISHES[number % len(WISHES)]
    command = Request(transfer=f"t{number}", source=source, target=target, amount=7)
    await runtime.dispatch(command, command_id=UUID(int=number + 1), timeout=240)


async def all_have_ended(runtime: Runtime) -> bool:
    processes = runtime.store.processes
    return (
        runtime.subscriptions[KEY].position == await runtime.store.head()
        and not await processes.pending(KEY)
        and not await processes.inputs(KEY)
        and not await processes.list("bank")
    )


async def test_killing_owners_repeatedly_repeats_and_loses_no_command(dsn: str) -> None:
    requested = 0
    async with Runtime(domain, store=dsn, subscriptions=False) as clients:
        await clients.dispatch(Deposit(account="a", amount=1_000_000))
        for _ in range(3):
            async with transferring(dsn) as owner:
                await owner.says("owned")
                before = await clients.store.head()
                for _ in range(60):
                    await request(clients, requested)
                    requested += 1
                target = before + 90
                await until(lambda target=target: has_reached(clients, target))
        async with Runtime(domain, store=dsn, lease=LEASE, node="last") as last:
            await until(lambda: all_have_ended(last))
            found = await movements(last.store)
            assert (await last.load(Account, "a")).state.balance == 1_000_000 - 7 * requested / 2
    assert found == {f"t{number}": WISHES[number % 4][2] for number in range(requested)}


async def is_requested(runtime: Runtime, number: int) -> bool:
    try:
        await request(runtime, number)
    except ChekovError:
        return False
    return True


async def has_reached(runtime: Runtime, position: int) -> bool:
    return await runtime.store.head() >= position


async def test_killing_postgres_repeats_and_loses_no_command(
    private_server: EmbeddedPostgres,
) -> None:
    server = private_server
    requested: list[int] = []
    stopping = asyncio.Event()

    async def load(runtime: Runtime) -> None:
        while not stopping.is_set():
            number = len(requested)
            requested.append(number)
            while not await is_requested(runtime, number):
                pass

    async with Runtime(domain, store=server.dsn, lease=LEASE) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=1_000_000))
        async with asyncio.TaskGroup() as group:
            group.create_task(load(runtime))
            for _ in range(2):
                count = len(requested)
                await until(lambda count=count: len(requested) > count + 60)
                await server.kill()
                await server.start()
            count = len(requested)
            await until(lambda count=count: len(requested) > count + 60)
            stopping.set()
        await until(lambda: all_have_ended(runtime), seconds=60)
        found = await movements(runtime.store)
        assert runtime.healthy
    assert found == {f"t{number}": WISHES[number % 4][2] for number in requested}


async def test_the_command_line_lists_and_releases(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def chekov(*arguments: str) -> str:
        code = await asyncio.to_thread(
            main, ["processes", *arguments, f"--dsn={dsn}", "--domain=bank"]
        )
        output = capsys.readouterr()
        assert code == 0, output.err
        return output.out

    async with Runtime(domain, store=dsn) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await runtime.dispatch(Request(transfer="t", source="a", target="broken", amount=7))

        async def is_depositing() -> bool:
            found = await runtime.processes.list()
            return [[item.command for item in status.commands] for status in found] == [["Deposit"]]

        await until(is_depositing)
        [shown] = json.loads(await chekov("-o", "json"))
        assert (shown["instance"], shown["state"]["step"]) == ("t", "depositing")
        table = await chekov("list", "transfer")
        assert "instance" in table.splitlines()[0].lower()
        assert [line.split()[:3] for line in table.splitlines()[1:]] == [["transfer", "1", "t"]]
        assert json.loads(await chekov("release", "transfer", "-o", "json")) == [
            {"name": "transfer", "released": 0}
        ]


async def test_the_command_line_gives_up_what_was_set_aside(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def chekov(*arguments: str, code: int = 0) -> str:
        options = [f"--dsn={dsn}", "--domain=shop"]
        done = await asyncio.to_thread(main, ["processes", *arguments, *options])
        output = capsys.readouterr()
        assert done == code, output.err
        return output.out or output.err

    retry = Retry(attempts=1, first=0.001)
    async with Runtime(orders({"a"}), store=dsn, retry=retry) as runtime:
        await keep_back(runtime, "refusal")
        assert "--instance, or --all" in await chekov("discard", "shipping", code=2)
        assert "--reason" in await chekov("discard", "shipping", "--all", code=2)
        assert "NAME" in await chekov("discard", code=2)
        assert "a number" in await chekov("discarded", "shipping", "--after=x", code=2)
        given_up = ("discard", "shipping", "--instance=a", "--reason=it is late", "-o", "json")
        assert json.loads(await chekov(*given_up)) == [{"name": "shipping", "discarded": 1}]

        async def has_gone_on() -> bool:
            return (await seen(runtime))["a"] == ["1", "2"]

        await until(has_gone_on)
        [shown] = json.loads(await chekov("discarded", "shipping", "-o", "json"))
        assert (shown["instance"], shown["input"], shown["reason"]) == ("a", "Go", "it is late")
        table = await chekov("discarded", "shipping")
        assert "it is late" in table.splitlines()[1]


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_an_event_for_several_instances_blocks_all_of_them(
    dsn: str, scenario: Callable[[str], Awaitable[None]]
) -> None:
    await scenario(dsn)
