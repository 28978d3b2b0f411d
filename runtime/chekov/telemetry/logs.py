"""Logging of the runtime and the operator: JSON lines for machines, text for a terminal."""

import logging
import sys
from typing import Final, Literal, TextIO

from pythonjsonlogger.json import JsonFormatter

from chekov.telemetry.context import correlation_id, request_id, trace_ids

_LIBRARIES: Final = ("aiohttp.access", "asyncio", "kopf", "kubernetes", "urllib3")
"""Below a warning, these log every connection, statement and handler call."""

_IDS: Final = ("trace_id", "span_id", "correlation_id", "request_id")
_STANDARD_FIELDS: Final = frozenset(
    vars(logging.LogRecord("", 0, "", 0, "", None, None)).keys()
    | {"message", "asctime", "taskName"}
)


def configure(
    format_: Literal["json", "text"], level: str, *, stream: TextIO | None = None
) -> None:
    """Send all records from `level` up to `stream`, by default standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_json_formatter() if format_ == "json" else TextFormatter())
    handler.addFilter(add_ids)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def add_ids(record: logging.LogRecord) -> bool:
    """Add the ids of the current trace and request to a record; a filter that keeps all."""
    trace_id, span_id = trace_ids()
    if trace_id:
        record.trace_id = trace_id
        record.span_id = span_id
    correlation = correlation_id.get()
    if correlation is not None:
        record.correlation_id = str(correlation)
    request = request_id.get()
    if request is not None:
        record.request_id = request
    return True


def _json_formatter() -> logging.Formatter:
    return JsonFormatter(
        ["message"],
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
        reserved_attrs=sorted(_STANDARD_FIELDS - {"levelname", "name"}),
    )


class TextFormatter(logging.Formatter):
    """One line per record, with extra fields as `name=value` after the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Format the line without its traceback."""
        extra = " ".join(
            f"{name}={value}"
            for name, value in vars(record).items()
            if name not in _STANDARD_FIELDS and name not in _IDS
        )
        line = super().formatMessage(record)
        return f"{line}  {extra}" if extra else line
