"""Exports and imports from the command line, and how they end."""

import asyncio
import gzip
import json
import os
import sys
from pathlib import Path

import pytest

from chekov.store.postgres.migrator import needed_version
from tests.integration.server_process import clean, run
from tests.integration.transfer.stores import Store, event, fill
from tests.waiting import until


def files(folder: Path) -> list[str]:
    return [item.name for item in folder.iterdir()]


def read(file: str) -> list[bytes]:
    """The lines of a file, decompressed if its name ends with `.gz`."""
    whole = Path(file).read_bytes()
    return (gzip.decompress(whole) if file.endswith(".gz") else whole).splitlines(keepends=True)


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
