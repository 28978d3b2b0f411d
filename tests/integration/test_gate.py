"""`chekov gate` only reads a store in Postgres, and reports in each form that people ask for."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import StoreClosed, StoreError
from chekov.serialization.frame import last_frame
from chekov.store.port import NewEvent, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.migrator import migrate, needed_version
from tests.integration.server_process import run
from tests.integration.test_store_roles import Roles, roles, unmigrated

__all__ = ["roles", "unmigrated"]

BANK = Path(__file__).parents[2] / "examples" / "bank"


async def gate(dsn: str, *arguments: str) -> tuple[int, str, str]:
    return await run("gate", "bank:domain", "--dsn", dsn, *arguments, CHEKOV_PATH=str(BANK))


async def as_json(dsn: str, *arguments: str) -> tuple[int, Any]:
    code, output, errors = await gate(dsn, "-o", "json", *arguments)
    assert output, errors
    return code, json.loads(output)


async def put(dsn: str, stream: str, name: str, content: dict[str, Any], *, times: int = 1) -> None:
    async with PostgresStore(dsn) as store:
        for _ in range(times):
            await store.append(stream, [NewEvent(uuid4(), name, json.dumps(content).encode())])


async def contents(dsn: str) -> dict[str, Any]:
    """What is in each table of the store."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "select relname from pg_class where relnamespace = 'chekov'::regnamespace "
            "and relkind = 'r' order by relname"
        )
        return {
            name: await connection.fetch(f'select * from chekov."{name}"') for (name,) in tables
        }
    finally:
        await connection.close()


OPENED = ("account-1", "AccountOpened", {"owner": "Ada"})
BROKEN = ("account-1", "money-deposited", {"amount": "much"})


async def test_the_reader_is_enough_and_nothing_is_written(roles: Roles) -> None:
    await put(roles.writer, *OPENED)
    before = await contents(roles.owner)
    code, report = await as_json(roles.reader)
    assert (code, report["compatibility"]) == (0, "Compatible"), report
    assert report["sampled"] == {"types": 1, "events": 1, "instances": 1, "work": 0}
    assert await contents(roles.owner) == before


async def test_the_server_refuses_writes_of_a_store_that_is_only_read(dsn: str) -> None:
    async with PostgresStore(dsn, read_only=True) as store:
        with pytest.raises(StoreClosed):
            await store.append("a", [NewEvent(uuid4(), "t", b"{}")])
        with pytest.raises(StoreError, match="read-only"):
            await store.subscriptions.register([SubscriptionKey("bank", "mails")])
        assert await store.head() == 0


async def test_what_cannot_be_read_is_reported_without_its_values(dsn: str) -> None:
    await put(dsn, *OPENED)
    await put(dsn, *BROKEN, times=3)
    code, output, errors = await gate(dsn)
    assert (code, output) == (1, "")
    assert "incompatible: money-deposited at account-1 version 2 (position 2): " in errors
    assert "Expected `int`, got `str` at $.amount (3 of those looked at)" in errors
    assert "much" not in errors


async def test_the_operator_finds_the_report_in_the_log(dsn: str) -> None:
    await put(dsn, *BROKEN)
    code, output, _ = await gate(dsn, "-o", "frame")
    report = json.loads(last_frame(output))
    assert (code, report["compatibility"], report["reason"]) == (1, "Incompatible", "Undecodable")
    [finding] = report["findings"]
    assert (finding["type"], finding["stream"]) == ("money-deposited", "account-1")
    assert (finding["version"], finding["position"]) == (1, 1)


async def test_code_scanning_gets_sarif(dsn: str) -> None:
    await put(dsn, *BROKEN)
    code, output, _ = await gate(dsn, "-o", "sarif")
    assert code == 1
    document = json.loads(output)
    assert document["version"] == "2.1.0"
    [scan] = document["runs"]
    [result] = scan["results"]
    rules = scan["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "Undecodable"
    assert result["level"] == "error"
    assert "position 1" in result["message"]["text"]
    [location] = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"].endswith("bank/bank.py")
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "account-1"
    assert scan["invocations"][0]["executionSuccessful"]


async def test_the_running_manifest_is_compared(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "running.json"
    _, manifest, _ = await run("check", "bank:domain", "-o", "json", CHEKOV_PATH=str(BANK))
    running = json.loads(manifest)
    running["commands"].append("Rob")
    file.write_text(json.dumps(running))
    code, report = await as_json(dsn, "--running", str(file))
    assert code == 0
    [warning] = report["findings"]
    assert (warning["rule"], warning["level"], warning["type"]) == (
        "CommandRemoved",
        "warning",
        "Rob",
    )
    file.write_text("{")
    code, _, errors = await gate(dsn, "--running", str(file))
    assert code == 2
    assert "cannot be read as JSON" in errors


async def test_a_database_without_a_store_is_compatible(empty_dsn: str) -> None:
    code, report = await as_json(empty_dsn)
    assert (code, report["compatibility"], report["reason"]) == (0, "Compatible", "NothingStored")


async def test_a_schema_that_is_not_migrated_yet_gives_no_verdict(empty_dsn: str) -> None:
    await migrate(empty_dsn, "chekov", to=needed_version() - 1)
    code, report = await as_json(empty_dsn)
    assert (code, report["compatibility"], report["reason"]) == (3, "Unknown", "StoreSchema")
    assert "chekov migrate" in report["message"]


async def test_a_newer_schema_that_does_not_work_with_the_code_is_incompatible(dsn: str) -> None:
    newer = needed_version() + 1
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "insert into chekov.migrations (version, name, digest, works_with) "
        f"values ({newer}, 'next', '', {newer})"
    )
    await connection.close()
    code, report = await as_json(dsn)
    assert (code, report["compatibility"], report["reason"]) == (1, "Incompatible", "StoreSchema")


async def test_a_database_that_is_away_gives_no_verdict() -> None:
    code, report = await as_json("postgresql://nobody@127.0.0.1:1/none")
    assert (code, report["compatibility"], report["reason"]) == (3, "Unknown", "StoreUnavailable")


async def test_code_that_does_not_load_gives_no_verdict(dsn: str) -> None:
    code, output, _ = await run("gate", "absent:domain", "--dsn", dsn, "-o", "json")
    report = json.loads(output)
    assert (code, report["compatibility"], report["reason"]) == (3, "Unknown", "EntrypointNotFound")


@pytest.mark.parametrize("size", ["0", "-1", "many"])
async def test_a_sample_has_at_least_one(size: str) -> None:
    code, _, errors = await gate("postgresql://nobody@127.0.0.1:1/none", "--events", size)
    assert code == 2
    assert "--events" in errors
