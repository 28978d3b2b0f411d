"""Rules of the source tree that no linter checks: file sizes, homes of libraries, leftovers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("runtime/**/*.py"), *ROOT.glob("operator/**/*.py")])
TESTS = sorted(ROOT.glob("tests/**/*.py"))
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]


def holding(pattern: str, paths: list[Path], *, but: tuple[str, ...] = ()) -> list[str]:
    """`file:line` of each match, without the files in `but`."""
    found: list[str] = []
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if name not in but:
            found += [
                f"{name}:{number}"
                for number, line in enumerate(path.read_text().splitlines(), 1)
                if re.search(pattern, line)
            ]
    return found


def test_there_are_files_to_check() -> None:
    assert len(SOURCES) > 100
    assert len(TESTS) > 100
    assert len(TRACKED) > len(SOURCES) + len(TESTS)


def test_the_operator_folder_is_never_a_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_modules_stay_small() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_only_settings_read_the_environment() -> None:
    homes = (
        "runtime/chekov/server/settings.py",
        "runtime/chekov/cli/service.py",
        "operator/chekov_operator/settings.py",
        "operator/chekov_operator/plugin/environment.py",
    )
    assert holding(r"os\.(environ|getenv)", SOURCES, but=homes) == []


def test_tasks_are_started_on_groups_only() -> None:
    assert holding(r"asyncio\.(create_task|ensure_future)\(", SOURCES) == []


def test_nothing_is_left_undone() -> None:
    undone = r"\b(TO" + r"DO|FIX" + r"ME|NotImplemented" + r"Error)\b"
    assert holding(undone, SOURCES) == []


def test_tests_never_skip_nor_sleep_for_a_time() -> None:
    assert holding(r"pytest\.(skip|mark\.skip|xfail|importorskip)|time\.sle" + r"ep", TESTS) == []


def test_suppressed_type_errors_name_their_rule_and_stay_few() -> None:
    assert holding(r"#\s*(type: ignore|pyright: ignore)(?!\[)", SOURCES) == []
    assert len(holding(r"#\s*(type: ignore|pyright: ignore)", SOURCES)) <= 10


def test_files_stay_small() -> None:
    assert [path for path in TRACKED if path.stat().st_size > 200_000] == []


def test_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    "name", ["asyncpg", "aiohttp", "cryptography", "kopf", "opentelemetry", "yaml"]
)
def test_a_domain_imports_without_the_server(name: str) -> None:
    code = f"import sys, chekov, chekov.testing; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
