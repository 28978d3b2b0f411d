"""An import restores an export byte for byte."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chekov.errors import (
    MalformedExport,
    StoreError,
    StreamDeleted,
    StreamNotFound,
)
from chekov.store.port import Key, NewEvent
from chekov.store.postgres.importer import Imported
from chekov.store.postgres.migrator import migrate
from tests.integration.transfer.stores import Store, add_proof_key, event, fill

NESTED = b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"
DOCUMENTS = [
    b"{}",
    b'{"a":1}',
    b'{ "a" : 1, "a":2 ,"b":1e400, "c":-0, "d":123456789012345678901234567890 }',
    b'{"a":\n1}\n',
    b'{"a":\r\n"b"}',
    b'{"a":1} ',
    b'{"a":1}\t',
    rb'{"half":"\ud800", "pair":"\ud83d\ude00", "nul":"\u0000", "escaped":"\\ud800\/\b"}',
    rb'{"upper":"\uD800"}',
    '{"wide":"\u2028\x7f\u0085\ufffe\U0010ffff😀 \u202e"}'.encode(),
    NESTED,
    b'{"long":"' + b"x" * 10_000_000 + b'"}',
    b'{"many":[' + b"{}," * 1000 + b"{}]}",
]
CONTENTS = [b"\0", b"\x89PNG\r\n\x1a\n", bytes(range(256)), b"[1,2]", b" {}", b"\xff" * 10_000_000]
STREAMS = [
    "plain-1",
    'quote-"\\/',
    "line-\n\r\t\x01\x02\x7f",
    "wide-\u2028\U0010ffff😀\u202e",
    "-",
    "\\.",
    " ",
]


async def test_hostile_content_comes_back_byte_for_byte(source: Store, target: Store) -> None:
    moment = datetime(1, 1, 3, tzinfo=UTC)
    async with source.opened() as store:
        for data in DOCUMENTS + CONTENTS:
            await store.append("data-1", [event(data)])
        for data in DOCUMENTS[:-3]:
            await store.append("metadata-1", [event(metadata=data)])
        for name in STREAMS:
            await store.append(name, [event()])
            await store.append(name, [NewEvent(uuid4(), name, b"{}")])
        for microseconds in (0, 1, 999_999, 123_456):
            time = moment + timedelta(microseconds=microseconds)
            await store.append("time-1", [NewEvent(uuid4(), "t", b"{}", time=time)])
        last = datetime(9999, 12, 29, 23, 59, 59, 999_999, tzinfo=UTC)
        await store.append("time-1", [NewEvent(uuid4(), "t", b"{}", None, uuid4(), uuid4(), last)])
    lines = await source.export()
    short = [json.loads(line) for line in lines if len(line) < 5000]
    assert len(short) > 20
    assert {type(document) for document in short} == {dict}
    done = await target.load(lines)
    assert (done.events, done.found) == (len(lines) - 1 - done.streams, 0)
    assert await target.tables() == await source.tables()
    assert await target.export() == lines


async def test_deleted_truncated_erased_and_linked_streams_come_back(
    source: Store, target: Store
) -> None:
    async with source.opened() as store:
        for name in ("kept", "deleted", "erased", "anew", "truncated", "cut"):
            await store.append(name, [event() for _ in range(5)])
        await store.streams.link("links", [1, 7])
        await store.streams.delete("deleted")
        await store.streams.delete("erased", erase=True)
        await store.streams.delete("anew", erase=True)
        await store.append("anew", [event()])
        await store.streams.truncate("truncated", before=3)
        await store.streams.truncate("cut", before=4, erase=True)
        await store.append("cut", [event()])
        expected = [await store.read_stream(name) for name in ("kept", "truncated", "cut", "links")]
    await target.load(await source.export())
    assert await target.tables() == await source.tables()
    async with target.opened() as store:
        found = [await store.read_stream(name) for name in ("kept", "truncated", "cut", "links")]
        assert found == expected
        with pytest.raises(StreamDeleted):
            await store.append("deleted", [event()])
        with pytest.raises(StreamNotFound):
            await store.streams.info("erased")
        assert (await store.append("cut", [event()])).version == 7


async def test_an_empty_store(source: Store, target: Store) -> None:
    assert await target.load(await source.export()) == Imported(0, 0, 0, 0, 0, 0)


async def test_an_export_is_a_consistent_snapshot_while_others_write(
    source: Store, target: Store
) -> None:
    async with source.opened() as store:
        await fill(store, 3000)
        writing = True

        async def write() -> None:
            while writing:
                await fill(store, 20)
                await store.streams.delete(f"account-{random.randrange(97)}", erase=True)

        async with asyncio.TaskGroup() as group:
            group.create_task(retry_on_missing_stream(write))
            lines = await source.export()
            writing = False
    done = await target.load(lines)
    assert done.head >= 3000
    positions = [json.loads(line)["position"] for line in lines[1 : done.head + 1]]
    assert positions == list(range(1, done.head + 1))
    await check_versions(target)


async def retry_on_missing_stream(write: Callable[[], Any]) -> None:
    while True:
        try:
            await write()
        except StreamNotFound:
            continue
        return


async def check_versions(target: Store) -> None:
    """Assert that the versions of every stream are contiguous up to its end."""
    async with target.opened() as store:
        ends: dict[str, int] = {}
        async for item in store.read_all():
            if item.stream != "$erased":
                assert item.version == ends.get(item.stream, 0) + 1
                ends[item.stream] = item.version
        for info in await store.streams.list(limit=10_000):
            assert info.version == ends[info.stream]


async def test_later_events_are_added(source: Store, target: Store) -> None:
    async with source.opened() as store:
        await fill(store, 100)
        await target.load(await source.export())
        await fill(store, 50)
        await store.streams.delete("account-1")
    done = await target.load(await source.export(after=100))
    assert (done.events, done.found, done.head) == (51, 0, 151)
    assert await target.tables() == await source.tables()


async def test_an_import_continues_where_it_stopped(source: Store, target: Store) -> None:
    async with source.opened() as store:
        await fill(store, 9000)
    lines = await source.export()
    with pytest.raises(MalformedExport, match="truncated"):
        await target.load(lines[:8500])
    async with target.opened() as store:
        assert 0 < await store.head() < 8500
    done = await target.load(lines)
    assert done.found > 0
    assert done.found + done.events == 9000
    assert await target.tables() == await source.tables()
    assert (await target.load(lines)).events == 0


async def test_keys_are_moved_only_if_both_commands_ask_for_them(
    source: Store, target: Store
) -> None:
    connection = await asyncpg.connect(source.dsn)
    await connection.execute(
        "insert into chekov.keys values "
        "(gen_random_uuid(), 'ada', '\\x0102ff', now(), null), "
        "(gen_random_uuid(), 'bob', null, now(), now())"
    )
    await connection.close()
    keys = (await source.tables())["keys"]
    await add_proof_key(source)
    assert len(await source.export()) == 1
    lines = await source.export(keys=True)
    await target.load(lines)
    assert (await target.tables())["keys"] == []
    assert (await target.load(lines, keys=True)).keys == 2
    assert (await target.tables())["keys"] == keys
    await add_proof_key(target)
    await target.load(lines, keys=True)
    # A key forgotten in the target since then is not restored.
    connection = await asyncpg.connect(source.dsn)
    await connection.execute(
        "update moved.keys set key = null, forgotten = now() where forgotten is null"
    )
    await connection.close()
    await target.load(lines, keys=True)
    assert {row[2] for row in (await target.tables())["keys"]} == {None}
    [live] = [str(row[0]).encode() for row in keys if row[1] == "ada"]
    other = [line.replace(live, str(UUID(int=1)).encode()) for line in lines]
    await migrate(source.dsn, "other")
    third = Store(source.dsn, "other")
    await third.load(lines, keys=True)
    with pytest.raises(StoreError, match="other keys"):
        await third.load(other, keys=True)


async def test_tags_go_with_keys_that_either_store_has_forgotten(
    source: Store, target: Store
) -> None:
    keys = [Key(uuid4(), subject, b"k" * 32) for subject in ("ada", "bob", "eve")]
    async with source.opened() as store:
        await store.keys.offer_keys(keys)
        for key in keys:
            tags = (f"name#{key.subject}",)
            tagged = NewEvent(uuid4(), "t", b"{}", tags=tags, tag_key=key.id)
            await store.append(key.subject, [tagged])
    before = await source.export(keys=True)
    connection = await asyncpg.connect(target.dsn)
    tags_left = f"select tag from {target.schema}.tags order by tag"
    await connection.execute(
        f"insert into {target.schema}.keys values ($1, 'bob', null, now(), now())", keys[1].id
    )
    await target.load(before, keys=True)
    assert [row[0] for row in await connection.fetch(tags_left)] == ["name#ada", "name#eve"]
    async with source.opened() as store:
        await store.keys.forget_keys(["ada"])
    await target.load(await source.export(keys=True), keys=True)
    assert [row[0] for row in await connection.fetch(tags_left)] == ["name#eve"]
    await connection.close()
