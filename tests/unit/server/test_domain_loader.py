"""The loader finds a domain, or says which line of whose file to change."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chekov.errors import EntrypointNotFound, ImportFailed, InvalidDomain, NotADomain
from chekov.server.domain_loader import load_domain

GOOD = """\
from chekov.domain.aggregate import Aggregate, apply, execute
from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event, Identifier

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
FAULTY = GOOD.replace("    @apply\n", "").replace("id: Identifier[str]", "id: str")

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Writes a module down; the import path and the modules are as before afterwards."""
    path, modules = list(sys.path), set(sys.modules)

    def written(name: str, source: str) -> Path:
        (tmp_path / name).write_text(source)
        return tmp_path

    yield written
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def test_a_domain_is_found_in_its_folder(write: Write) -> None:
    folder = write("shop_good.py", GOOD)
    assert load_domain("shop_good:domain", folder).name == "shop"


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(EntrypointNotFound, match="no folder /nowhere"):
        load_domain("shop:domain", Path("/nowhere"))


def test_a_missing_module_is_named(write: Write) -> None:
    folder = write("shop_good.py", GOOD)
    with pytest.raises(EntrypointNotFound, match="no module 'shop_missing'"):
        load_domain("shop_missing:domain", folder)


def test_a_missing_object_is_named_with_what_is_there(write: Write) -> None:
    folder = write("shop_named.py", GOOD.replace("domain =", "shop ="))
    with pytest.raises(EntrypointNotFound, match=r"no attribute 'domain'; it has the domain shop"):
        load_domain("shop_named:domain", folder)


def test_an_error_in_a_module_is_reported_with_file_and_line(write: Write) -> None:
    folder = write("shop_raises.py", "x = 1\n\nx.missing\n")
    with pytest.raises(ImportFailed, match=r"shop_raises.py:3: AttributeError: .*'missing'"):
        load_domain("shop_raises:domain", folder)


def test_a_missing_dependency_is_reported_with_file_and_line(write: Write) -> None:
    folder = write("shop_needs.py", "\nimport nowhere_to_be_found\n")
    with pytest.raises(ImportFailed, match=r"shop_needs.py:2: .*nowhere_to_be_found"):
        load_domain("shop_needs:domain", folder)


def test_bad_syntax_is_reported_with_file_and_line(write: Write) -> None:
    folder = write("shop_syntax.py", "x = 1\ndef broken(:\n")
    with pytest.raises(ImportFailed, match=r"shop_syntax.py:2: SyntaxError"):
        load_domain("shop_syntax:domain", folder)


def test_a_module_that_exits_does_not_end_the_process(write: Write) -> None:
    folder = write("shop_exits.py", "import sys\nsys.exit(3)\n")
    with pytest.raises(ImportFailed, match=r"shop_exits.py:2: SystemExit: 3"):
        load_domain("shop_exits:domain", folder)


@pytest.mark.parametrize(("name", "kind"), [("Account", "class Account"), ("Open", "class Open")])
def test_something_else_than_a_domain_is_named(write: Write, name: str, kind: str) -> None:
    folder = write("shop_good.py", GOOD)
    with pytest.raises(NotADomain, match=f"shop_good:{name} is the {kind}"):
        load_domain(f"shop_good:{name}", folder)


def test_all_faults_of_a_domain_are_reported(write: Write) -> None:
    folder = write("shop_faulty.py", FAULTY)
    with pytest.raises(InvalidDomain, match=r"'shop' \(.*shop_faulty.py:20\)") as caught:
        load_domain("shop_faulty:domain", folder)
    assert len(caught.value.faults) == 2
    assert any("Opened, which Account does not apply" in fault for fault in caught.value.faults)


def test_a_field_that_cannot_be_json_is_a_fault_of_the_domain(write: Write) -> None:
    source = GOOD.replace(
        "class Opened(Event):\n    owner: str", "class Opened(Event):\n    owner: type"
    )
    with pytest.raises(InvalidDomain) as caught:
        load_domain("shop_json:domain", write("shop_json.py", source))
    assert "Opened.owner cannot be written as JSON" in caught.value.faults[0]


def test_a_state_that_cannot_be_kept_is_a_fault_of_the_domain(write: Write) -> None:
    source = GOOD.replace(
        'identity="account"):\n', 'identity="account", snapshot_every=9):\n    last: type = int\n\n'
    )
    with pytest.raises(InvalidDomain) as caught:
        load_domain("shop_kept:domain", write("shop_kept.py", source))
    assert "Account.last cannot be written as JSON" in caught.value.faults[0]
