"""Files are read again once they change."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chekov.server.file_watch import FileWatch
from tests.waiting import until


@asynccontextmanager
async def running(watch: FileWatch) -> AsyncGenerator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()


async def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    read: list[str] = []
    watch = FileWatch(interval=0.001)
    watch.add([file], lambda: read.append(file.read_text()))
    async with running(watch):
        for content in ("ab", "b", "a"):
            fresh = tmp_path / "fresh"
            fresh.write_text(content)
            fresh.rename(file)
            await until(lambda content=content: read[-1:] == [content])
    assert read == ["ab", "b", "a"]


async def test_files_that_come_and_go_in_a_folder_count(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    watch = FileWatch(interval=0.001)
    watch.add([tmp_path], lambda: seen.append(sorted(item.name for item in tmp_path.iterdir())))
    async with running(watch):
        (tmp_path / "a").write_text("a")
        await until(lambda: seen[-1:] == [["a"]])
        (tmp_path / "a").unlink()
        await until(lambda: seen[-1:] == [[]])


async def test_a_secret_that_is_updated_as_kubelet_does_it(tmp_path: Path) -> None:
    for version in ("..1", "..2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(version)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    read: list[str] = []
    watch = FileWatch(interval=0.001)
    watch.add([tmp_path / "token"], lambda: read.append((tmp_path / "token").read_text()))
    async with running(watch):
        (tmp_path / "..turned").symlink_to("..2")
        (tmp_path / "..turned").rename(tmp_path / "..data")
        await until(lambda: read == ["..2"])


async def test_a_file_that_cannot_be_used_is_tried_again_once_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    read: list[int] = []
    watch = FileWatch(interval=0.001)
    watch.add([file], lambda: read.append(int(file.read_text())))
    async with running(watch):
        file.write_text("broken")
        await until(lambda: "cannot be used; what was read before stays in use" in caplog.text)
        file.unlink()
        file.write_text("2")
        await until(lambda: read == [2])


async def test_what_could_not_be_used_is_tried_again_at_the_next_looks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    file = tmp_path / "file"
    file.write_text("1")
    tried: list[str] = []

    def reload() -> None:
        tried.append(file.read_text())
        if len(tried) < 5:
            raise RuntimeError("not yet")
        logging.getLogger().info("read %s", tried[-1])

    watch = FileWatch(interval=0.001)
    watch.add([file], reload)
    async with running(watch):
        for content in ("22", "333"):
            (tmp_path / "fresh").write_text(content)
            (tmp_path / "fresh").rename(file)
            await until(lambda content=content: f"read {content}" in caplog.text)
    assert tried == ["22"] * 5 + ["333"]
    assert caplog.text.count("cannot be used") == 1


async def test_a_folder_that_cannot_be_listed_keeps_what_was_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("1")
    read: list[str] = []
    watch = FileWatch(interval=0.001)
    watch.add([folder], lambda: read.append((folder / "a").read_text()))
    looks = 0

    def refuse(_: Path) -> Sequence[Path]:
        nonlocal looks
        looks += 1
        raise PermissionError("not allowed")

    async with running(watch):
        with monkeypatch.context() as patch:
            patch.setattr("chekov.server.file_watch.files_at", refuse)
            (tmp_path / "fresh").write_text("22")
            (tmp_path / "fresh").rename(folder / "a")
            await until(lambda: looks > 3)
            assert read == []
        await until(lambda: read == ["22"])
    assert caplog.text.count("cannot be looked at") == 1
