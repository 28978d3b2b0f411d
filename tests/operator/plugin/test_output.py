"""Colours are for terminals that want them; tables and YAML are as people write them."""

import pytest
import yaml

from chekov_operator.plugin import output


@pytest.mark.parametrize(
    ("terminal", "variables", "shown"),
    [
        (True, {}, "\x1b[31mno\x1b[0m"),
        (True, {"NO_COLOR": "1"}, "no"),
        (True, {"TERM": "dumb"}, "no"),
        (True, {"NO_COLOR": ""}, "\x1b[31mno\x1b[0m"),
        (False, {}, "no"),
    ],
)
def test_colours(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, variables: dict[str, str], shown: str
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert output.coloured("no", "red") == shown
    assert output.coloured("no", None) == "no"


def test_rows_stand_below_their_headings(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"a_b": "x", "c": 1}, {"a_b": "long\ntext\x1b", "c": None}]
    output.show_table(("a_b", "c"), rows)
    assert capsys.readouterr().out == "A-B          C\nx            1\nlong text    -\n"


def test_texts_of_several_lines_are_blocks() -> None:
    value = {"b": "one\ntwo\n", "a": "ä", "c": [1, None, "yes"]}
    text = output.as_yaml(value)
    assert text.startswith("b: |\n  one\n  two\na: ä\n")
    assert yaml.safe_load(text) == value
