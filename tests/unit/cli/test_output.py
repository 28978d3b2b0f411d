"""Tables line up and show what is absent."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from chekov.cli.output import show_table


def test_a_table_lines_up(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "last_error"), [{"name": "a", "last_error": None}, {"name": "longer"}])
    assert capsys.readouterr().out == "NAME     LAST-ERROR\na        -\nlonger   -\n"


def test_an_empty_table_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name",), [])
    assert capsys.readouterr().out == "NAME\n"


def test_times_and_ids_are_shown_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": UUID(int=7), "due": datetime(2026, 1, 31, tzinfo=UTC), "attempts": 1}
    show_table(("id", "due", "attempts"), [row])
    shown = capsys.readouterr().out.splitlines()[1].split()
    assert shown == ["00000000-0000-0000-0000-000000000007", "2026-01-31T00:00:00Z", "1"]
