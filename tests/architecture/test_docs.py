"""Links lead to files, named source files exist, YAML parses, generated pages are up to date."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "charts", "examples")
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in ROOT.glob(f"{name}/**/*.md"))]
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
SOURCE = re.compile(r"`((?:runtime|operator|tests|charts|crds|examples|benchmarks)/[\w./-]+)`")
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def test_there_are_pages_with_links_files_and_yaml() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert len(PAGES) > 20
    assert len(LINK.findall(text)) > 50
    assert len(SOURCE.findall(text)) > 50
    assert len(YAML.findall(text)) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = [page.parent / target for target in LINK.findall(page.read_text())]
    assert [target for target in targets if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page: Path) -> None:
    missing = [name for name in SOURCE.findall(page.read_text()) if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_yaml_can_be_read(page: Path) -> None:
    for block in YAML.findall(page.read_text()):
        assert list(yaml.safe_load_all(block)), block


@pytest.mark.parametrize("name", ["settings", "metrics", "kubectl"])
def test_generated_pages_are_up_to_date(name: str) -> None:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text() == module.page()
