"""In Postgres, a field becomes a tag while pods of two releases run, and of the one before."""

import json
from typing import Any

import asyncpg
import pytest

from chekov import NewEvent, NoneSince, Runtime, Scope, TagIndexIncomplete
from chekov.domain.scope import ScopeItem
from chekov.store.port import TagFailure, TagKind
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.exporter import export_events
from chekov.store.postgres.importer import import_events
from chekov.store.postgres.verifier import verify_store
from chekov.testing.contract.nodes import attending
from chekov.uuid7 import uuid7
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
    done = {"position": 1, "target": 1, "complete": True, "skipped": 0}
    assert json.loads(shown) == [
        {"type": type_, "tag": tag, **done, "stopped_at": None, "error": None}
        for type_, tag in (("Claimed", "name"), ("Registered", "email"))
    ]


async def test_the_command_line_skips_an_event_that_cannot_be_read(
    dsn: str, postgres_store: PostgresStore
) -> None:
    async with Runtime(old, store=dsn, migrate=False) as former:
        await postgres_store.append("names-b", [NewEvent(uuid7(), "Claimed", b'{"name":1}')])
        await former.dispatch(OldClaim(account="a", name="bob"))
    async with Runtime(new, store=dsn, migrate=False) as later:
        index = later.engine.tag_index
        await until(lambda: any(each.stopped for each in index.incomplete))
        with pytest.raises(TagIndexIncomplete, match="event at position 1 cannot be made"):
            await later.dispatch(BOB)
        _, shown, _ = await run("tags", "--dsn", dsn, "-o", "json")
        row = next(each for each in json.loads(shown) if each["type"] == "Claimed")
        assert (row["position"], row["stopped_at"]) == (0, 1)
        assert "cannot be decoded" in row["error"]

        skip = ("tags", "skip", "1", "--dsn", dsn)
        for options, fault in (
            (("--overlook",), "needs a --reason"),
            (("--reason", "nobody"), "as if the event at position 1 had never happened"),
        ):
            code, _, errors = await run(*skip, *options)
            assert code == 2
            assert fault in errors
        code, _, errors = await run(
            "tags", "skip", "2", "--reason", "x", "--overlook", "--dsn", dsn
        )
        assert (code, "no kind of tags has stopped at position 2" in errors) == (1, True)
        code, shown, errors = await run(*skip, "--reason", "nobody claims it", "--overlook")
        assert code == 0, errors
        assert "nobody claims it" in shown
        await complete(later)
        with pytest.raises(NameTaken):
            await later.dispatch(BOB)
        await later.dispatch(Claim(account="c", name="cid"))
        _, shown, _ = await run("tags", "skipped", "--dsn", dsn, "-o", "json")
        (skipped,) = json.loads(shown)
        assert (skipped["position"], skipped["reason"]) == (1, "nobody claims it")

        code, shown, errors = await run("tags", "retry", "1", "--dsn", dsn)
        assert code == 0, errors
        await until(lambda: any(each.stopped for each in index.incomplete))
        code, _, errors = await run("tags", "retry", "1", "--dsn", dsn)
        assert (code, "is not skipped" in errors) == (1, True)


async def test_a_condition_that_depends_on_a_skipped_event_cannot_be_verified(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """The event was stored, without its tags, after what was decided by."""
    scope = Scope((ScopeItem(frozenset({"Claimed"}), frozenset({"name:bob"})),))
    read = await postgres_store.read_scope(scope)
    await postgres_store.append("names-b", [NewEvent(uuid7(), "Claimed", b'{"name":1}')])
    claimed = NewEvent(uuid7(), "Claimed", b'{"name":"bob"}', tags=("name:bob",))
    condition = NoneSince(scope, read.through)
    await postgres_store.append("names-c", [claimed], condition=condition)
    assert (await verify_store(dsn, "chekov")).unverifiable == 0
    failed = [TagFailure(1, "Claimed", "broken")]
    wanted = [TagKind("Claimed", "name")]
    await postgres_store.tag_index.attend("new", "names", {}, wanted)
    assert await postgres_store.tag_index.add("new", wanted, [], 2, failed)
    assert await postgres_store.tag_index.skip(1, "nobody claims it")
    found = await verify_store(dsn, "chekov")
    assert (found.conditions, found.unverifiable, found.violations) == (1, 1, 0)


async def test_a_former_release_writes_tags_of_all_kinds_or_of_none(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """What it is refused is not taken to be written: another process may write it."""
    index, written = postgres_store.tag_index, TagKind("Claimed", "name")
    await postgres_store.append("names-a", [NewEvent(uuid7(), "Claimed", b"{}")])
    await postgres_store.append("names-b", [NewEvent(uuid7(), "Other", b"{}")])
    await index.attend("former", "names", {}, [written])
    await index.attend("other", "names", {}, [TagKind("Other", "name")])
    sql = """
        select chekov.add_tags_v1(
            'former', $1::text[], $2::text[], 2, '{name:bob}', '{1}', '{Claimed}', '{null}'
        )
    """
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    assert not await connection.fetchval(sql, ["Claimed", "Other"], ["name", "name"])
    assert [each.position for each in await index.kinds()] == [0, 0]
    assert await connection.fetchval(sql, ["Claimed"], ["name"])
    assert [each.position for each in await index.kinds()] == [2, 0]
    scope = Scope((ScopeItem(frozenset({"Claimed"}), frozenset({"name:bob"})),))
    assert [each.position for each in (await postgres_store.read_scope(scope)).events] == [1]
    await connection.close()


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
