"""Fixtures of the integration tests."""

import pytest

from tests.impatience import make_impatient


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds otherwise."""
    make_impatient(monkeypatch.setattr, seconds=0.5)
