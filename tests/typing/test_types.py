"""Type checkers see what is wrong in a domain, and infer what is right."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MISTAKES = sorted((HERE / "mistakes").glob("*.py"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


class Finding(NamedTuple):
    file: Path
    line: int
    message: str


def pyright() -> list[Finding]:
    report = json.loads(
        _output(
            "pyright",
            "--outputjson",
            "--project",
            str(HERE / "mistakes"),
            "--pythonpath",
            sys.executable,
        )
    )
    return [
        Finding(Path(item["file"]), item["range"]["start"]["line"] + 1, item["message"])
        for item in report["generalDiagnostics"]
    ]


def mypy() -> list[Finding]:
    files = map(str, (*MISTAKES, *EXAMPLES, HERE / "inference.py"))
    lines = _output("mypy", "--output=json", *files).splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [
        Finding(ROOT / item["file"], item["line"], item["message"])
        for item in found
        if item["severity"] == "error"
    ]


def _output(program: str, *arguments: str) -> str:
    path = Path(sys.executable).with_name(program)
    answer = subprocess.run(
        [path, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1, answer.stderr  # it ran, and found the mistakes
    return answer.stdout


@pytest.fixture(scope="module", params=[pyright, mypy], ids=lambda checker: checker.__name__)
def findings(request: pytest.FixtureRequest) -> list[Finding]:
    checker: Callable[[], list[Finding]] = request.param
    return checker()


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_every_mistake_is_found_where_it_was_made(path: Path, findings: list[Finding]) -> None:
    lines = path.read_text().splitlines()
    seeded = {number for number, line in enumerate(lines, 1) if "# mistake: " in line}
    assert seeded
    assert {item.line for item in findings if item.file.samefile(path)} == seeded


def test_examples_are_accepted_as_they_are(findings: list[Finding]) -> None:
    assert EXAMPLES
    assert [item for item in findings if item.file in EXAMPLES] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_need_no_cast(path: Path) -> None:
    assert not re.search(r"\bcast\b|type: ignore|pyright:", path.read_text())


def test_types_are_inferred(findings: list[Finding]) -> None:
    assert [item for item in findings if item.file.name == "inference.py"] == []
