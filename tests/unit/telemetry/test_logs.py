"""Each log line is one JSON object that names the request and trace it belongs to."""

import io
import json
import logging
from collections.abc import Iterator
from uuid import UUID

import pytest

from chekov.telemetry import context, logs

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_record_is_one_json_object_with_its_extra_fields(stream: io.StringIO) -> None:
    logs.configure("json", "info", stream=stream)
    logging.getLogger("chekov.test").info("stored %d", 3, extra={"stream": "account-1"})
    line = json.loads(stream.getvalue())
    assert line["message"] == "stored 3"
    assert line["level"] == "INFO"
    assert line["logger"] == "chekov.test"
    assert line["stream"] == "account-1"
    assert line["time"].endswith("+00:00")
    assert "trace_id" not in line


def test_a_traceback_stays_on_the_line(stream: io.StringIO) -> None:
    logs.configure("json", "info", stream=stream)
    try:
        int("broken")
    except ValueError:
        logging.getLogger("chekov.test").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exc_info"]


def test_a_record_names_the_request_and_the_trace(stream: io.StringIO) -> None:
    logs.configure("json", "info", stream=stream)
    correlation = context.correlation_id.set(UUID(int=1))
    traceparent = context.traceparent.set(TRACEPARENT)
    logging.getLogger("chekov.test").info("handled")
    context.correlation_id.reset(correlation)
    context.traceparent.reset(traceparent)
    line = json.loads(stream.getvalue())
    assert line["correlation_id"] == "00000000-0000-0000-0000-000000000001"
    assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert line["span_id"] == "00f067aa0ba902b7"


def test_text_is_for_a_terminal(stream: io.StringIO) -> None:
    logs.configure("text", "info", stream=stream)
    logging.getLogger("chekov.test").warning("waiting", extra={"wait": 0.5})
    assert stream.getvalue().rstrip().endswith("WARNING waiting  wait=0.5")


def test_what_is_below_the_level_is_left_out(stream: io.StringIO) -> None:
    logs.configure("json", "warning", stream=stream)
    logging.getLogger("chekov.test").info("chatter")
    assert stream.getvalue() == ""


def test_standard_error_is_the_default(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json", "info")
    logging.getLogger("chekov_operator.test").info("changed")
    printed = capsys.readouterr()
    assert (json.loads(printed.err)["message"], printed.out) == ("changed", "")


def test_libraries_are_logged_from_a_warning_on(stream: io.StringIO) -> None:
    logs.configure("json", "debug", stream=stream)
    logging.getLogger("kopf.objects").info("handler succeeded")
    logging.getLogger("kopf.objects").warning("watch ended")
    lines = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert lines == ["watch ended"]
