"""An import restores an export byte for byte; damage and other writers are detected."""

import asyncio
import gzip
import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chekov.errors import (
    MalformedExport,
    SchemaMismatch,
    StoreDiverged,
    StoreError,
    StreamDeleted,
    StreamNotFound,
)
from chekov.store.port import Key, NewEvent
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.exporter import export_events
from chekov.store.postgres.importer import Imported, import_events
from chekov.store.postgres.migrator import migrate, needed_version
from tests.integration.server_process import clean, run
from tests.store_state import blocks_another
from tests.waiting import until

TABLES = ("events", "streams", "keys", "tags")
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


def event(data: bytes = b"{}", *, metadata: bytes | None = None) -> NewEvent:
    return NewEvent(uuid4(), "Happened", data, metadata)


class Store:
    """A store in a schema of its own, with access to its tables and files."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.dsn = dsn
        self.schema = schema

    async def tables(self) -> dict[str, Sequence[tuple[Any, ...]]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return {
                table: [
                    tuple(row)
                    for row in await connection.fetch(
                        f"select * from {self.schema}.{table} order by 1, 2"
                    )
                ]
                for table in TABLES
            }
        finally:
            await connection.close()

    async def export(self, *, after: int = 0, keys: bool = False) -> list[bytes]:
        chunks: list[bytes] = []
        await export_events(self.dsn, self.schema, chunks.append, after=after, keys=keys)
        return b"".join(chunks).splitlines(keepends=True)

    async def load(self, lines: Sequence[bytes], *, keys: bool = False) -> Imported:
        return await import_events(self.dsn, self.schema, lines, keys=keys)

    def opened(self) -> PostgresStore:
        return PostgresStore(self.dsn, schema=self.schema, migrate=False)


@pytest.fixture
def source(dsn: str) -> Store:
    return Store(dsn, "chekov")


@pytest.fixture
async def target(dsn: str) -> Store:
    """Another store in the same database."""
    await migrate(dsn, "moved")
    return Store(dsn, "moved")


async def fill(store: PostgresStore, count: int) -> None:
    """Append `count` events to about a hundred streams."""
    choice = random.Random(count)
    for start in range(0, count, 500):
        number = min(500, count - start)
        await asyncio.gather(
            *(
                store.append(
                    f"account-{choice.randrange(97)}",
                    [
                        NewEvent(
                            uuid4(),
                            choice.choice(("Opened", "Paid")),
                            b'{"amount":%d}' % n,
                            choice.choice((None, b'{"trace":"a"}')),
                            choice.choice((None, uuid4())),
                            choice.choice((None, uuid4())),
                            tags=choice.choice(((), (f"account:{n}", 'it"s:ä', f"name#{n}"))),
                            tag_key=choice.choice((None, uuid4())),
                        )
                    ],
                )
                for n in range(number)
            )
        )


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


async def add_proof_key(store: Store) -> None:
    """Add the row that a store has once a domain with personal data has used it."""
    connection = await asyncpg.connect(store.dsn)
    await connection.execute(
        f"insert into {store.schema}.keys values "
        "(gen_random_uuid(), '$proof', '\\x00', now(), null)"
    )
    await connection.close()


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


def files(folder: Path) -> list[str]:
    return [item.name for item in folder.iterdir()]


def read(file: str) -> list[bytes]:
    """The lines of a file, decompressed if its name ends with `.gz`."""
    whole = Path(file).read_bytes()
    return (gzip.decompress(whole) if file.endswith(".gz") else whole).splitlines(keepends=True)


@pytest.fixture
async def filled(source: Store) -> Store:
    async with source.opened() as store:
        await fill(store, 2000)
    return source


@pytest.mark.parametrize("name", ["store.ndjson", "store.ndjson.gz"])
async def test_exporting_and_importing_from_the_command_line(
    filled: Store, target: Store, tmp_path: Path, name: str
) -> None:
    file = str(tmp_path / name)
    streams = len((await filled.tables())["streams"])
    code, out, errors = await run("export", "--dsn", filled.dsn, file)
    assert (code, out) == (0, "")
    assert errors == f"chekov: exported 2000 events and {streams} streams, up to 2000\n"
    assert files(tmp_path) == [name]
    assert read(file) == await filled.export()
    code, out, errors = await run(
        "import", "--dsn", target.dsn, "--schema", "moved", "--output", "json", file
    )
    assert (code, errors) == (0, "")
    assert json.loads(out)["events"] == 2000
    assert await target.tables() == await filled.tables()


async def test_through_a_pipe(filled: Store, target: Store) -> None:
    chekov = f"{sys.executable} -m chekov.cli"
    shell = await asyncio.create_subprocess_shell(
        f"{chekov} export --quiet --dsn '{filled.dsn}' "
        f"| {chekov} import --quiet --dsn '{target.dsn}' --schema moved",
        env=clean(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await shell.communicate()
    assert (shell.returncode, errors) == (0, b"")
    assert out.startswith(b"imported 2000 events")
    assert await target.tables() == await filled.tables()


async def test_a_damaged_archive_is_reported(filled: Store, target: Store, tmp_path: Path) -> None:
    file = tmp_path / "store.gz"
    whole = gzip.compress(b"".join(await filled.export()))
    for damaged in (
        whole[: len(whole) // 2],
        b"nonsense",
        whole[:500] + b"\0" * 500 + whole[1000:],
    ):
        file.write_bytes(damaged)
        code, _, errors = await run("import", "--dsn", target.dsn, "--schema", "moved", str(file))
        assert code == 1
        assert "export" in errors
        assert "Traceback" not in errors


async def test_a_file_that_cannot_be_opened_is_reported(source: Store, tmp_path: Path) -> None:
    code, _, errors = await run("import", "--dsn", source.dsn, str(tmp_path / "none"))
    assert (code, "cannot be read" in errors) == (1, True)
    code, _, errors = await run("export", "--dsn", source.dsn, str(tmp_path / "none" / "file"))
    assert (code, "cannot be written" in errors) == (1, True)


async def test_a_file_with_keys_is_readable_by_its_owner_only(
    source: Store, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    assert (await run("export", "--keys", "--dsn", source.dsn, str(file)))[0] == 0
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_killed_import_can_be_continued(
    source: Store, target: Store, tmp_path: Path
) -> None:
    async with source.opened() as store:
        await fill(store, 20_000)
    file = tmp_path / "store.ndjson"
    file.write_bytes(b"".join(await source.export()))
    arguments = ("import", "--dsn", target.dsn, "--schema", "moved", "-o", "json", str(file))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chekov.cli", *arguments, env=clean()
    )
    async with target.opened() as store:

        async def has_begun() -> bool:
            return await store.head() > 0

        await until(has_begun)
        child.kill()
        await child.wait()
        reached = await store.head()
    assert 0 < reached < 20_000
    code, out, errors = await run(*arguments)
    assert (code, errors) == (0, "")
    done = json.loads(out)
    assert done["found"] >= reached
    assert done["found"] + done["events"] == 20_000
    assert await target.tables() == await source.tables()


async def test_memory_use_does_not_grow_with_the_events(
    source: Store, target: Store, tmp_path: Path
) -> None:
    async with source.opened() as store:
        for _ in range(24):
            await store.append(
                "large", [event(b'{"a":"%b"}' % os.urandom(5_000_000).hex().encode())]
            )
    file = str(tmp_path / "large")
    peaks: list[int] = []
    for command in (("export", "-q"), ("import", "-q", "--schema", "moved")):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            # Not ru_maxrss, which starts with the peak of the parent process.
            "import sys; from chekov.cli import main; code = main(sys.argv[1:]);"
            "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]);"
            "sys.exit(code)",
            *(*command, "--dsn", source.dsn, file),
            env=clean(),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await child.communicate()
        assert child.returncode == 0
        peaks.append(int(out.split()[-1]) // 1024)
    # 240 MB of payload were moved.
    assert max(peaks) < 240
    async with target.opened() as store:
        [last] = await store.read_stream("large", direction="backward", limit=1)
    assert last.version == 24


async def test_migrating_from_the_command_line(empty_dsn: str) -> None:
    for dry in (True, False):
        options = ("--dsn", empty_dsn, *(["--dry-run"] if dry else []), "-o", "json")
        code, out, errors = await run("migrate", *options)
        assert (code, errors) == (0, "")
        result = json.loads(out)
        assert (result["from"], result["to"]) == (0, needed_version())
        assert result.get("steps", [""])[0] == ("0001_events_and_subscriptions" if dry else "")
    code, out, _ = await run("migrate", "--dsn", empty_dsn, "--dry-run")
    assert "nothing is pending" in out
    code, _, errors = await run("migrate", "--dsn", empty_dsn, "--to", "99999")
    assert (code, "version 99999 does not exist" in errors) == (1, True)
