"""The options of a command name its store, or else the environment does."""

from argparse import Namespace

import pytest

from chekov.cli.store import store_settings
from chekov.server.settings import SettingsError

DSN = "postgresql://me@host/base"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHEKOV_STORE", raising=False)
    monkeypatch.setenv("CHEKOV_SCHEMA", "shop")


def test_options_win_over_the_environment() -> None:
    settings = store_settings(Namespace(dsn=DSN, schema="mine", pooled="true"))
    assert (settings.store, settings.schema, settings.pooled) == (DSN, "mine", True)


def test_what_has_no_option_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHEKOV_STORE", DSN)
    settings = store_settings(Namespace(dsn=None, schema=None))
    assert (settings.store, settings.schema, settings.pooled) == (DSN, "shop", False)


def test_a_store_has_to_be_named() -> None:
    with pytest.raises(SettingsError, match="CHEKOV_STORE is not set"):
        store_settings(Namespace(dsn=None, schema=None, pooled=None))
