"""Each claim about what the operator can do names a test that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/capability-levels.md").read_text()
CLAIMS = [line for line in PAGE.splitlines() if line.startswith("| ") and line != "| what | test |"]


def test_all_five_levels_have_claims() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    assert [section.partition(":")[0] for section in sections[:5]] == ["I", "II", "III", "IV", "V"]
    assert [section for section in sections if "::test_" not in section] == []
    assert len(CLAIMS) > len(sections)


@pytest.mark.parametrize("claim", CLAIMS)
def test_each_claim_has_its_test(claim: str) -> None:
    found = re.search(r"\| `(tests/\S+[.]py)::(test_\w+)` \|$", claim)
    assert found is not None, "a claim names its test as `tests/….py::test_…`"
    source = (ROOT / found[1]).read_text()
    assert re.search(rf"^(async )?def {found[2]}\(", source, flags=re.MULTILINE)
