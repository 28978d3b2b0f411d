"""Logging as one stream on standard error: JSON lines for machines, text for a terminal."""

import logging
import sys
from typing import Final, TextIO

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from chekov.server import context
from chekov.server.settings import LogFormat, LogLevel

_IDS: Final = ("trace_id", "span_id", "correlation_id")
_PLAIN: Final = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", None, None)).keys()
    | {"message", "asctime", "taskName"}
)


def configure(format_: LogFormat, level: LogLevel, stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream`, by default standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_json() if format_ == "json" else TextFormatter())
    handler.addFilter(add_ids)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These tell of every connection and statement at debug, which hides what one looks for.
    for noisy in ("asyncio", "urllib3", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(max(logging.INFO, root.level))


def add_ids(record: logging.LogRecord) -> bool:
    """Give the record the ids of the trace and the request that run now. Keeps every record."""
    trace_id, span_id = trace_ids()
    if trace_id:
        record.trace_id = trace_id
        record.span_id = span_id
    correlation = context.correlation_id.get()
    if correlation is not None:
        record.correlation_id = str(correlation)
    return True


def trace_ids() -> tuple[str, str]:
    """Trace and span id of the code that runs now, in hexadecimal; empty when it has none."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        return trace.format_trace_id(current.trace_id), trace.format_span_id(current.span_id)
    incoming = context.traceparent.get()
    if incoming:
        _, trace_id, span_id, *_ = incoming.split("-")
        return trace_id, span_id
    return "", ""


def _json() -> logging.Formatter:
    return JsonFormatter(
        ["message"],
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
        reserved_attrs=sorted(_PLAIN - {"levelname", "name"}),
    )


class TextFormatter(logging.Formatter):
    """One line a record, its extra fields as `name=value` behind the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line without a traceback."""
        extra = " ".join(
            f"{name}={value}"
            for name, value in vars(record).items()
            if name not in _PLAIN and name not in _IDS
        )
        line = super().formatMessage(record)
        return f"{line}  {extra}" if extra else line
