"""Which interpreter the packages of a peer are installed with."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.peers.install import PYTHON, PYTHON_3_13, InstallError, interpreter

NEWER = replace(PYTHON_3_13, minimum=(3, sys.version_info.minor + 1))
NAME = f"python3.{NEWER.minimum[1]}"


def program(folder: Path, name: str, *, status: int) -> str:
    """A program that ends with a status, whatever it is asked."""
    folder.mkdir(exist_ok=True)
    made = folder / name
    made.write_text(f"#!/bin/sh\nexit {status}\n")
    made.chmod(0o755)
    return str(made)


async def test_the_running_interpreter_is_used_if_it_is_new_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    assert await interpreter(PYTHON) == sys.executable


async def test_a_newer_one_is_found_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = program(tmp_path / "bin", NAME, status=0)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert await interpreter(NEWER) == found


async def test_one_without_a_version_in_its_name_is_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = program(tmp_path / "bin", "python3", status=0)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert await interpreter(NEWER) == found


async def test_a_stand_in_that_runs_nothing_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "shims", NAME, status=127)
    found = program(tmp_path / "bin", NAME, status=0)
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{tmp_path / 'bin'}")
    assert await interpreter(NEWER) == found


async def test_what_is_needed_is_named_where_no_interpreter_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", "python3", status=1)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(InstallError, match=r"eventsource-py and logicblocks-event-store need"):
        await interpreter(NEWER)
    with pytest.raises(InstallError, match=rf"folder of a {NAME} there"):
        await interpreter(NEWER)
