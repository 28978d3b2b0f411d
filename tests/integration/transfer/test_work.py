"""A store moves with what is under way: process managers, their commands, scheduled commands."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chekov import Domain, Runtime
from chekov.cli import main
from chekov.errors import MalformedExport, StoreError
from chekov.store.postgres.exporter import Exported, export_events
from chekov.store.postgres.importer import Imported, import_events
from chekov.store.postgres.migrator import migrate
from tests.unit.engine.processes.test_former_owners import Stopped
from tests.unit.engine.processes.transfers import (
    Account,
    Deposit,
    Request,
    Transfer,
    TransferRequest,
    domain,
)
from tests.waiting import until

TABLES = (
    "partitions",
    "parked",
    "process_instances",
    "outbox",
    "timers",
    "scheduled_commands",
    "cancelled_schedules",
    "refused_commands",
    "discarded_inputs",
)
LATER = UUID(int=77)


async def rows(dsn: str, schema: str) -> dict[str, list[dict[str, Any]]]:
    connection = await asyncpg.connect(dsn)
    try:
        found = {
            table: [
                dict(row)
                for row in await connection.fetch(f"select * from {schema}.{table} order by 1, 2")
            ]
            for table in (*TABLES, "subscriptions")
        }
    finally:
        await connection.close()
    for row in found["subscriptions"]:
        row.update(owner=None, lease_until=None)
    return found


async def interrupted(dsn: str, schema: str) -> None:
    """Leave a transfer that waits for its withdrawal, a refused one, and a deposit for later."""
    stopped = Stopped()
    slow = Domain(
        "bank", aggregates=[Account, TransferRequest], handlers=[Transfer()], middleware=[stopped]
    )
    async with Runtime(slow, store=dsn, schema=schema) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await runtime.dispatch(Request(transfer="t", source="a", target="b", amount=7))
        await until(lambda: stopped.commands)
        await runtime.drain(timeout=0)
    async with Runtime(domain, store=dsn, schema=schema, subscriptions=False) as clients:
        await clients.schedule(Deposit(account="c", amount=3), after=timedelta(0), id=LATER)


async def export(
    dsn: str, schema: str, *, work: bool, keys: bool = False, after: int = 0
) -> tuple[Exported, Sequence[bytes]]:
    chunks: list[bytes] = []
    done = await export_events(dsn, schema, chunks.append, work=work, keys=keys, after=after)
    return done, b"".join(chunks).splitlines(keepends=True)


async def balance(runtime: Runtime, account: str) -> int:
    return (await runtime.load(Account, account)).state.balance


async def outcomes(runtime: Runtime) -> tuple[str, ...]:
    return (await runtime.load(TransferRequest, "t")).state.outcomes


@pytest.fixture
async def moved(dsn: str) -> str:
    await migrate(dsn, "moved")
    return "moved"


async def test_what_is_under_way_goes_on_in_the_other_store(dsn: str, moved: str) -> None:
    await interrupted(dsn, "chekov")
    done, lines = await export(dsn, "chekov", work=True)
    assert not any(done.left)
    first = await import_events(dsn, moved, lines, work=True)
    again = await import_events(dsn, moved, lines, work=True)
    assert (first.work, again.work) == (done.work, done.work)
    assert await rows(dsn, moved) == await rows(dsn, "chekov")
    assert len((await rows(dsn, moved))["outbox"]) == 1
    async with Runtime(domain, store=dsn, schema=moved) as runtime:
        await until(lambda: outcomes(runtime))
        assert await outcomes(runtime) == ("done",)
        assert (await balance(runtime, "a"), await balance(runtime, "b")) == (3, 7)

        async def has_come() -> bool:
            return not await runtime.scheduled.list()

        await until(has_come)
        assert await balance(runtime, "c") == 3

        async def have_ended() -> bool:
            return not await runtime.processes.list()

        await until(have_ended)


async def test_without_it_nothing_moves_and_the_export_counts_it(dsn: str, moved: str) -> None:
    await interrupted(dsn, "chekov")
    done, lines = await export(dsn, "chekov", work=False)
    assert tuple(done.left) == (1, 1, 1, 1)
    assert done.work == 0
    assert isinstance(await import_events(dsn, moved, lines), Imported)
    assert not (await rows(dsn, moved))["process_instances"]
    with pytest.raises(MalformedExport, match="export it with --work"):
        await import_events(dsn, moved, lines, work=True)
    _, lines = await export(dsn, "chekov", work=True)
    assert (await import_events(dsn, moved, lines)).work == 0
    assert not (await rows(dsn, moved))["process_instances"]


async def test_work_is_not_replaced_while_a_process_does_it(dsn: str, moved: str) -> None:
    await interrupted(dsn, "chekov")
    _, lines = await export(dsn, "chekov", work=True)
    await import_events(dsn, moved, lines)
    async with Runtime(domain, store=dsn, schema=moved) as runtime:
        await until(lambda: all(item.owned for item in runtime.subscriptions.values()))
        with pytest.raises(StoreError, match="a process runs transfer: stop it"):
            await import_events(dsn, moved, lines, work=True)


async def test_rows_that_do_not_fit_are_refused(dsn: str, moved: str) -> None:
    await interrupted(dsn, "chekov")
    _, lines = await export(dsn, "chekov", work=True)
    for wrong in (
        b'{"table":"events","row":{}}\n',
        b'{"table":"outbox","row":{"number":1}}\n',
        b'{"table":"outbox","row":{"number":"x"}}\n',
        b'{"table":"outbox"}\n',
        b'{"table":"outbox","row":[]}\n',
        b'{"table":"outbox","row":{}}\n',
        b'{"table":"outbox","row":{"number) select 1 --":1}}\n',
    ):
        with pytest.raises(MalformedExport):
            await import_events(dsn, moved, [*lines[:-1], wrong], work=True)
    assert not (await rows(dsn, moved))["process_instances"]


async def test_a_row_of_a_table_with_fewer_columns_is_imported(dsn: str, moved: str) -> None:
    """As an export has it that was made before a column was added."""
    await interrupted(dsn, "chekov")
    _, lines = await export(dsn, "chekov", work=True)
    former: list[bytes] = []
    for line in lines:
        found = json.loads(line)
        if found.get("table") == "scheduled_commands":
            del found["row"]["attempts"]
            line = json.dumps(found).encode() + b"\n"  # noqa: PLW2901 the line as it was
        former.append(line)
    assert former != lines
    await import_events(dsn, moved, former, work=True)
    assert await rows(dsn, moved) == await rows(dsn, "chekov")


async def test_the_command_line_says_what_it_leaves(
    dsn: str, moved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await interrupted(dsn, "chekov")
    file = str(tmp_path / "store.ndjson.gz")

    async def chekov(*arguments: str) -> tuple[str, str]:
        assert await asyncio.to_thread(main, [*arguments, f"--dsn={dsn}"]) == 0
        return capsys.readouterr()

    _, said = await chekov("export", file)
    assert "not exported: 1 open instances" in said
    assert "add --work" in said
    _, said = await chekov("export", file, "--work")
    assert "not exported" not in said
    out, _ = await chekov("import", file, "--work", "--schema=moved", "-o", "json")
    assert json.loads(out)["work"] > 0
