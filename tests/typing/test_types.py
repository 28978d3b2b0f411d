"""Checkers see what is wrong in a domain, and infer what is right."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MISTAKES = sorted((HERE / "mistakes").glob("*.py"))


@pytest.fixture(scope="module")
def report() -> list[dict[str, Any]]:
    pyright = Path(sys.executable).with_name("pyright")
    project = HERE / "mistakes"
    answer = subprocess.run(
        [pyright, "--outputjson", "--project", project, "--pythonpath", sys.executable],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(answer.stdout)["generalDiagnostics"]
    return found


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_every_mistake_is_found_where_it_was_made(path: Path, report: list[dict[str, Any]]) -> None:
    lines = path.read_text().splitlines()
    seeded = {number for number, line in enumerate(lines, 1) if "# mistake: " in line}
    found = {
        item["range"]["start"]["line"] + 1 for item in report if Path(item["file"]).samefile(path)
    }
    assert seeded
    assert found == seeded


def test_the_bank_is_accepted_without_a_cast(report: list[dict[str, Any]]) -> None:
    bank = ROOT / "examples" / "bank" / "bank.py"
    assert [item for item in report if Path(item["file"]).samefile(bank)] == []
    assert not re.search(r"\bcast\b|type: ignore|pyright:", bank.read_text())


def test_types_are_inferred(report: list[dict[str, Any]]) -> None:
    assert [item for item in report if item["file"].endswith("inference.py")] == []
