"""The operator's logs: one JSON object a line."""

import json
import logging
from collections.abc import Generator

import pytest

from chekov_operator import logs


@pytest.fixture(autouse=True)
def _logging_as_before() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_json_with_time_level_and_what_was_added(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info")
    logging.getLogger("chekov_operator.test").info("changed", extra={"key": "DomainBundle/a/b"})
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["message"], line["key"]) == ("INFO", "changed", "DomainBundle/a/b")
    assert line["logger"] == "chekov_operator.test"
    assert "T" in line["time"]


def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning")
    logging.getLogger("chekov_operator.test").info("changed")
    assert capsys.readouterr().out == ""


def test_libraries_are_heard_only_when_something_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("debug")
    logging.getLogger("kopf.objects").info("handler succeeded")
    logging.getLogger("kopf.objects").warning("watch ended")
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == [
        "watch ended"
    ]
