"""`kubectl chekov bundle`: a folder becomes manifests that the operator accepts, or a sentence."""

import json
from pathlib import Path

import pytest
import yaml

from chekov_operator.api.domain_bundle import parse_bundle
from chekov_operator.plugin import main

BANK = Path(__file__).parents[3] / "examples" / "bank" / "bank.py"
SOURCE = """\
from chekov import Context, Domain, Event, EventHandler, handle


class Opened(Event):
    owner: str


class Mails(EventHandler):
    @handle
    async def opened(self, event: Opened, context: Context) -> None: ...


domain = Domain("bank", handlers=[Mails()])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "My_Bank"
    found.mkdir()
    (found / "bank.py").write_text(SOURCE)
    return found


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["bundle", *map(str, words), "--store=main"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_bank_is_packed_and_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bank.py").write_bytes(BANK.read_bytes())
    code, output, errors = run(capsys, tmp_path, "--name=bank", "--replicas=3")
    assert (code, errors) == (0, "")
    body = yaml.safe_load(output)
    assert body["spec"]["code"]["inline"]["modules"] == {"bank.py": BANK.read_text()}
    parsed = parse_bundle({**body, "metadata": {**body["metadata"], "namespace": "x", "uid": "1"}})
    assert (parsed.entrypoint, parsed.replicas, parsed.store) == ("bank:domain", 3, "main")
    assert "modules:\n        bank.py: |" in output  # as people write it


def test_the_name_is_that_of_the_folder(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    code, output, _ = run(capsys, ".", "-o", "json")
    assert code == 0
    assert json.loads(output)["metadata"] == {"name": "my-bank"}


def test_the_code_can_be_in_a_config_map(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, output, _ = run(capsys, folder, "--config-map", "--no-check")
    assert code == 0
    config_map, bundle = yaml.safe_load_all(output)
    assert config_map["data"] == {"bank.py": SOURCE}
    assert bundle["spec"]["code"] == {"configMapRef": {"name": config_map["metadata"]["name"]}}
    _, output, _ = run(capsys, folder, "--config-map", "--no-check", "-o", "json")
    assert json.loads(output)["items"] == [config_map, bundle]


def test_code_that_does_not_load_is_not_packed(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "bank.py").write_text("import nowhere\n" + SOURCE)
    code, output, errors = run(capsys, folder)
    assert (code, output) == (1, "")
    assert "ImportFailed" in errors
    assert "nowhere" in errors
    code, output, _ = run(capsys, folder, "--no-check")
    assert code == 0
    assert "import nowhere" in output


def test_the_modules_of_this_machine_are_not_those_of_the_bundle(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not packed is missing in the pod, and so it is in the check."""
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "helper.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(outside))
    (folder / "bank.py").write_text("import helper\n" + SOURCE)
    code, _, errors = run(capsys, folder)
    assert code == 1
    assert "helper" in errors


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a.py": "x = 1"}, "none"),
        ({"a.py": "d = Domain('a')\ne: Domain = chekov.Domain('b')"}, "a:d, a:e"),
        ({"a.py": "d = Domain('a')", "b.py": "d = Domain('b')"}, "a:d, b:d"),
        ({"a.py": "def f():\n    d = Domain('a')"}, "none"),
    ],
)
def test_a_domain_that_is_not_the_only_one_has_to_be_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sources: dict[str, str], found: str
) -> None:
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    code, _, errors = run(capsys, tmp_path, "--name=a", "--no-check")
    assert code == 1
    assert f"name the domain by --entrypoint; found in the folder: {found}\n" in errors


def test_packages_are_left_out_with_a_word(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "parts").mkdir()
    (folder / "parts" / "__init__.py").write_text("")
    code, output, errors = run(capsys, folder)
    assert code == 0
    assert "parts" not in output
    assert "the package parts is left out" in errors


def test_large_code_is_packed_with_a_word_and_larger_code_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "table.py").write_text(f"X = '{'x' * 210 * 1024}'\n")
    code, _, errors = run(capsys, folder, "--no-check")
    assert code == 0
    assert "kubectl apply --server-side" in errors
    (folder / "table.py").write_text(f"X = '{'ä' * 130 * 1024}'\n")
    code, output, errors = run(capsys, folder, "--no-check")
    assert (code, output) == (1, "")
    assert "a bundle takes 262,144 at most" in errors


def test_too_many_modules_are_refused(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for number in range(64):
        (folder / f"m{number}.py").write_text("")
    code, _, errors = run(capsys, folder)
    assert code == 1
    assert "65 modules; a bundle takes 64 at most" in errors


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--name=Bank"], "'Bank' cannot be the name of a bundle"),
        ([f"--name={'b' * 48}"], "cannot be the name of a bundle"),
        (["--name=2bank"], "cannot be the name of a bundle"),
        (["--entrypoint=shop:domain"], "the folder has no shop.py"),
        (["--entrypoint=bank"], "must have the form module:object"),
    ],
)
def test_what_the_api_would_refuse_is_refused_here(
    capsys: pytest.CaptureFixture[str], folder: Path, words: list[str], text: str
) -> None:
    code, output, errors = run(capsys, folder, *words, "--no-check")
    assert (code, output) == (1, "")
    assert text in errors


def test_folders_that_cannot_be_packed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "is no folder" in run(capsys, tmp_path / "none")[2]
    assert "has no *.py files" in run(capsys, tmp_path)[2]
    (tmp_path / "two-words.py").write_text("")
    assert "Python cannot import two-words.py" in run(capsys, tmp_path)[2]
    (tmp_path / "two-words.py").unlink()
    (tmp_path / "bank.py").write_bytes(b"\xff")
    assert "cannot be read as UTF-8" in run(capsys, tmp_path)[2]
    (tmp_path / "bank.py").write_text("def")
    assert "is not Python" in run(capsys, tmp_path)[2]
