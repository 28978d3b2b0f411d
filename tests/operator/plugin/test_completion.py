"""What kubectl's completion is answered: commands, options, choices and names of bundles."""

import asyncio
from pathlib import Path

import pytest

from chekov_operator.plugin.completion import main
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.objects import put_bundle


def suggested(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(words) == 0
    *found, directive = capsys.readouterr().out.splitlines()
    assert directive == ":4"
    return found


def test_commands_options_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert suggested(capsys, "re") == ["restart", "resume", "replay", "report"]
    assert "status" in suggested(capsys, "")
    assert "--in-place" in suggested(capsys, "replay", "bank", "-")
    assert suggested(capsys, "status", "-o", "") == ["tree", "json", "yaml"]
    assert suggested(capsys, "-n", "shops", "sta") == ["status"]


def test_after_an_option_for_a_file_the_shell_suggests_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["diff", "-f", ""]) == 0
    assert capsys.readouterr().out == ":0\n"


async def test_names_of_bundles(
    api: FakeApi, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_bundle(api)
    file = f"--kubeconfig={config}"
    assert await asyncio.to_thread(suggested, capsys, file, "undo", "b") == ["bank"]
    assert await asyncio.to_thread(suggested, capsys, file, "undo", "x") == []
    assert await asyncio.to_thread(suggested, capsys, "--kubeconfig=/none", "undo", "") == []
