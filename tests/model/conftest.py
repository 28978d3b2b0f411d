"""Hypothesis machines go through hundreds of histories: each test has more time than others."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give them the time that they take on a machine with ten other things to do."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.timeout(_SECONDS))
