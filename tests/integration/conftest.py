"""Fixtures of the integration tests."""

import pytest

from chekov.store.postgres import connection_options, pool
from chekov.store.postgres.append import append_connection, committer


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds otherwise."""
    monkeypatch.setattr(connection_options, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(pool, "LENT_SECONDS", 0.5)
    monkeypatch.setattr(append_connection, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(pool, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(committer, "_WATCH_SECONDS", 0.05)
