"""In Postgres, a field becomes a tag while pods of two releases run, and of the one before."""

import json
from typing import Any

import asyncpg
import pytest

from chekov import Runtime, TagIndexIncomplete
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.exporter import export_events
from chekov.store.postgres.importer import import_events
from chekov.testing.contract.nodes import attending
from tests.integration.server_process import run
from tests.store_state import blocks_another
from tests.unit.engine.boundaries.tag_releases import (
    Claim,
    NameTaken,
    OldClaim,
    OldRegister,
    Register,
    new,
    old,
)
from tests.waiting import until

BOB = Claim(account="new", name="bob")


async def complete(runtime: Runtime) -> None:
    await until(lambda: not runtime.engine.tag_index.incomplete, seconds=120)


async def test_two_releases_beside_each_other(dsn: str) -> None:
    async with Runtime(new, store=dsn, migrate=False) as later:
        async with Runtime(old, store=dsn, migrate=False, node="old") as former:
            await former.dispatch(OldClaim(account="a", name="bob"))
            await former.dispatch(OldRegister(account="a", email="a@x"))
            await until(lambda: later.engine.tag_index.incomplete)
            with pytest.raises(TagIndexIncomplete, match="old/"):
                await later.dispatch(BOB)
        await complete(later)
        with pytest.raises(NameTaken):
            await later.dispatch(BOB)
        with pytest.raises(NameTaken):
            await later.dispatch(Register(account="b", email="a@x"))
        await later.forget("a")
        await later.dispatch(Register(account="b", email="a@x"))


async def test_a_pod_of_a_release_that_says_nothing_of_tags(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """It has a row among the nodes alone, and ends its commands after it has left."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    async with (
        attending(postgres_store, "former", domain="names"),
        Runtime(new, store=dsn, migrate=False) as later,
    ):
        with pytest.raises(TagIndexIncomplete, match="former may store"):
            await later.dispatch(BOB)
        await postgres_store.nodes.leave("former")
        await until(lambda: any("ended" in each for each in later.engine.tag_index.troubles))
        with pytest.raises(TagIndexIncomplete, match="a former release ended"):
            await later.dispatch(BOB)
        await connection.execute(
            "update chekov.tag_kinds set older_seen = older_seen - interval '1 minute'"
        )
        await complete(later)
        await later.dispatch(BOB)
    await connection.close()


async def test_the_command_line_shows_how_far_it_is(dsn: str) -> None:
    async with Runtime(old, store=dsn, migrate=False) as former:
        await former.dispatch(OldClaim(account="a", name="bob"))
    async with Runtime(new, store=dsn, migrate=False) as later:
        await complete(later)
    code, shown, errors = await run("tags", "--dsn", dsn)
    assert code == 0, errors
    assert shown.split()[:5] == ["TYPE", "TAG", "POSITION", "TARGET", "COMPLETE"]
    _, shown, _ = await run("tags", "--dsn", dsn, "-o", "json")
    assert json.loads(shown) == [
        {"type": type_, "tag": tag, "position": 1, "target": 1, "complete": True}
        for type_, tag in (("Claimed", "name"), ("Registered", "email"))
    ]


async def test_nothing_is_erased_while_missing_tags_are_written(
    dsn: str,
) -> None:
    """Its event would keep them: the writer waits, and finds that the event is gone."""
    async with Runtime(old, store=dsn, migrate=False) as former:
        await former.dispatch(OldClaim(account="a", name="bob"))
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    erasing = connection.transaction()
    await erasing.start()
    await connection.execute(
        "select * from chekov.delete_stream_v1('names-a', -1, true, gen_random_uuid())"
    )
    async with Runtime(new, store=dsn, migrate=False) as later:
        await until(lambda: blocks_another(connection))
        await erasing.commit()
        await complete(later)
        await later.dispatch(BOB)
    await connection.close()


async def test_imported_events_may_lack_tags(dsn: str) -> None:
    """Also where all had them before."""
    async with Runtime(old, store=dsn, schema="moved") as former:
        await former.dispatch(OldClaim(account="a", name="bob"))
    async with Runtime(new, store=dsn, migrate=False) as later:
        assert not later.engine.tag_index.incomplete
    lines: list[bytes] = []
    await export_events(dsn, "moved", lines.append)
    await import_events(dsn, "chekov", b"".join(lines).splitlines(keepends=True))
    async with Runtime(new, store=dsn, migrate=False) as later:
        await complete(later)
        with pytest.raises(NameTaken):
            await later.dispatch(BOB)
