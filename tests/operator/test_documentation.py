"""The page about resources holds every field and every reason."""

import importlib.util
import re
from pathlib import Path

from chekov.errors import BundleError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "resources.md"
REASON = re.compile(
    r"""Fault\(\s*"([A-Z]\w+)"|\b(?:true|false|unknown)\(\s*"\w+",\s*"([A-Z]\w+)\""""
)


def test_the_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("docs_resources", ROOT / "docs" / "resources.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert PAGE.read_text() == module.page(), "run `python docs/resources.py`"


def test_every_reason_of_a_condition_is_explained() -> None:
    sources = (ROOT / "operator").glob("**/*.py")
    given = {
        found
        for source in sources
        for pair in REASON.findall(source.read_text())
        for found in pair
        if found
    }
    loading = {kind.__name__ for kind in BundleError.__subclasses__()} - {"InvalidBundleFile"}
    page = PAGE.read_text()
    assert len(given) > 15
    assert len(loading) == 4
    assert sorted(name for name in given | loading if f"`{name}`" not in page) == []
