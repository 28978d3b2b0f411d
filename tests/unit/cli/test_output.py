"""Tables line up and show what is absent."""

import pytest

from chekov.cli.output import show_table


def test_a_table_lines_up(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "last_error"), [{"name": "a", "last_error": None}, {"name": "longer"}])
    assert capsys.readouterr().out == "NAME     LAST-ERROR\na        -\nlonger   -\n"


def test_an_empty_table_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name",), [])
    assert capsys.readouterr().out == "NAME\n"
