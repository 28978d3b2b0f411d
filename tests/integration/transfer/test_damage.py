"""Damage and other writers are detected."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import pytest

from chekov.errors import (
    MalformedExport,
    SchemaMismatch,
    StoreDiverged,
)
from chekov.store.postgres.importer import import_events
from tests.integration.transfer.stores import Store, event, fill
from tests.store_state import blocks_another
from tests.waiting import until


@pytest.mark.parametrize("cut", [0, 1, 2, 5, -1])
async def test_a_truncated_file_is_reported(source: Store, target: Store, cut: int) -> None:
    async with source.opened() as store:
        await fill(store, 10)
    lines = (await source.export())[:cut]
    with pytest.raises(MalformedExport, match="truncated") as caught:
        await target.load(lines)
    assert caught.value.line == len(lines)


async def test_a_truncated_line_is_reported(source: Store, target: Store) -> None:
    async with source.opened() as store:
        await fill(store, 10)
    lines = await source.export()
    with pytest.raises(MalformedExport, match="truncated") as caught:
        await target.load([*lines[:4], lines[4][:40]])
    assert caught.value.line == 5


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[4], lines[3], *lines[5:]]


def doubled(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[2], *lines[3:]]


def left_out(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], *lines[4:]]


def extended(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[-1]]


def another_format(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b"chekov-events-1", b"chekov-events-2"), *lines[1:]]


def without_heading(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def wrong_version(lines: list[bytes]) -> list[bytes]:
    """An event whose version is not the next one."""
    return [line.replace(b'"version":3', b'"version":4') for line in lines]


def same_id(lines: list[bytes]) -> list[bytes]:
    first = json.loads(lines[1])["id"].encode()
    third = json.loads(lines[3])["id"].encode()
    return [line.replace(third, first) for line in lines]


def invalid_json(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"data":{}', b'"data_text":"{"') for line in lines]


def invalid_base64(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"data":{}', b'"content":"?"') for line in lines]


def no_payload(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b',"data":{}', b"") for line in lines]


@pytest.mark.parametrize(
    "change",
    [
        swapped,
        doubled,
        left_out,
        extended,
        another_format,
        without_heading,
        wrong_version,
        same_id,
        invalid_json,
        invalid_base64,
        no_payload,
    ],
)
async def test_altered_lines_are_import_refused(
    source: Store, target: Store, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    async with source.opened() as store:
        for _ in range(6):
            await store.append("a", [event()])
    with pytest.raises(MalformedExport):
        await target.load(change(await source.export()))


async def test_a_store_with_other_events_is_refused_and_unchanged(
    source: Store, target: Store
) -> None:
    async with source.opened() as store:
        await fill(store, 20)
    async with target.opened() as store:
        await fill(store, 3)
    before = await target.tables()
    with pytest.raises(StoreDiverged) as caught:
        await target.load(await source.export())
    assert caught.value.position == 1
    with pytest.raises(StoreDiverged):
        await target.load(await source.export(after=3))
    with pytest.raises(StoreDiverged):
        await target.load(await source.export(after=10))
    assert await target.tables() == before


async def test_a_store_with_newer_events_is_import_refused(source: Store, target: Store) -> None:
    async with source.opened() as store:
        await fill(store, 20)
    lines = await source.export()
    await target.load(lines)
    async with target.opened() as store:
        await store.append("a", [event()])
    with pytest.raises(StoreDiverged) as caught:
        await target.load(lines)
    assert caught.value.position == 21


async def test_a_concurrent_append_is_detected(source: Store, target: Store) -> None:
    async with source.opened() as store:
        await fill(store, 10_000)
    lines = await source.export()
    loop = asyncio.get_running_loop()

    def interrupted() -> Any:
        for number, line in enumerate(lines):
            if number == 6000:
                asyncio.run_coroutine_threadsafe(append(), loop).result()
            yield line

    async def append() -> None:
        async with target.opened() as store:
            await store.append("a", [event()])

    with pytest.raises(StoreDiverged, match="another process appends"):
        await asyncio.to_thread(
            lambda: asyncio.run(import_events(target.dsn, target.schema, interrupted()))
        )


async def test_a_concurrent_lone_writer_is_detected(source: Store, target: Store) -> None:
    async with source.opened() as store:
        await fill(store, 20)
    lines = await source.export()
    writer = await asyncpg.connect(target.dsn)
    try:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(
            f'insert into "{target.schema}".events (position, stream, version, id, type, data,'
            " time) values (1, 'alone', 1, gen_random_uuid(), 'Happened', '{}', now())"
        )
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(import_refused(target, lines))
            await until(lambda: blocks_another(writer))
            await transaction.commit()
        assert taking.result() == 1
    finally:
        await writer.close()


async def import_refused(target: Store, lines: Sequence[bytes]) -> int:
    """The position at which the import finds another event."""
    with pytest.raises(StoreDiverged, match="another process appends") as caught:
        await target.load(lines)
    return caught.value.position


async def test_a_schema_without_a_store_is_import_refused(empty_dsn: str) -> None:
    with pytest.raises(SchemaMismatch):
        await Store(empty_dsn, "chekov").export()
    with pytest.raises(SchemaMismatch):
        await Store(empty_dsn, "chekov").load([])
