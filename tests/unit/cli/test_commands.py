"""Command lines end with the exit code that says how they went, and without a traceback."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from chekov.cli import main
from chekov.store.postgres.migrator import needed_version

DOMAIN = """\
from chekov import Aggregate, Command, Domain, Event, Identifier, apply, execute

class Opened(Event):
    owner: str

class Open(Command[Opened]):
    id: Identifier[str]
    owner: str

class Account(Aggregate, identity="account"):
    @execute
    def open(self, command: Open) -> list[Opened]:
        return [Opened(owner=command.owner)]

    @apply
    def opened(self, event: Opened) -> None:
        pass

domain = Domain("shop", aggregates=[Account])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory and an environment without CHEKOV_ variables."""
    monkeypatch.chdir(tmp_path)
    for name in ("CHEKOV_DOMAIN", "CHEKOV_PATH", "CHEKOV_STORE"):
        monkeypatch.delenv(name, raising=False)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_domain_is_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "shop.py").write_text(DOMAIN)
    log = folder / "termination-log"
    assert main(["check", "shop:domain", "--output", "json", "--termination-log", str(log)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == {
        "ok": True,
        "domain": "shop",
        "aggregates": ["account"],
        "commands": ["Open"],
        "events": ["Opened"],
        "handled": [],
        "subscriptions": [],
        "runtime": version("chekov"),
        "store_schema": needed_version(),
    }
    assert json.loads(log.read_text()) == result


def test_the_environment_names_the_domain(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "shop_elsewhere.py").write_text(DOMAIN)
    monkeypatch.setenv("CHEKOV_DOMAIN", "shop_elsewhere:domain")
    monkeypatch.setenv("CHEKOV_PATH", str(folder / "code"))
    assert main(["check"]) == 0
    assert "domain shop is fine" in capsys.readouterr().out


def test_a_faulty_domain_fails_with_every_fault(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = DOMAIN.replace("    @apply\n", "").replace("Identifier[str]", "str")
    (folder / "shop_faulty.py").write_text(faulty)
    log = folder / "termination-log"
    assert main(["check", "shop_faulty:domain", "--termination-log", str(log)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n  - ") == 2
    result = json.loads(log.read_text())
    assert (result["ok"], result["reason"], len(result["faults"])) == (False, "InvalidDomain", 2)


@pytest.mark.parametrize(
    ("entrypoint", "reason"),
    [("nothing:domain", "EntrypointNotFound"), ("json:dumps", "NotADomain")],
)
def test_a_reason_is_one_word(
    folder: Path, capsys: pytest.CaptureFixture[str], entrypoint: str, reason: str
) -> None:
    assert main(["check", entrypoint, "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["reason"] == reason


def test_a_missing_setting_is_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "CHEKOV_DOMAIN is not set" in capsys.readouterr().err
    assert main(["serve"]) == 2


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fly"])
    assert caught.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_a_missing_bundle_is_a_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "none.yaml"]) == 1
    assert (
        capsys.readouterr().err == "chekov: none.yaml cannot be read: No such file or directory\n"
    )


def test_an_invalid_port_is_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "shop:domain", "--http-port", "many"]) == 2
    assert "CHEKOV_HTTP_PORT: expected a port" in capsys.readouterr().err


def test_the_settings_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    assert "CHEKOV_STORE" in capsys.readouterr().out
    assert main(["settings", "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"name", "default", "meaning"} == set(rows[0])


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"]


def test_the_sql_of_roles_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roles = ("--owner", "o'wner", "--writer", "w", "--reader", "r")
    assert main(["roles", "--schema", "shop", *roles]) == 0
    sql = capsys.readouterr().out
    assert "'o''wner'" in sql
    assert 'create schema "shop"' in sql
    assert main(["roles", "--owner", "x", "--writer", "x", "--reader", "r"]) == 1
    assert "three different roles" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["migrate", "export", "import"])
def test_a_store_has_to_be_named(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command]) == 2
    assert "CHEKOV_STORE is not set" in capsys.readouterr().err
