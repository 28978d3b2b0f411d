"""JSON logs, one object a line, with the ids of the trace where there is one."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from chekov_operator import tracing

_QUIET = ("kopf", "aiohttp.access", "kubernetes", "asyncio")


def configure(level: str) -> None:
    """Send everything at `level` or above to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
        )
    )
    handler.addFilter(_add_ids)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _add_ids(record: logging.LogRecord) -> bool:
    trace_id, span_id = tracing.ids()
    if trace_id:
        record.trace_id = trace_id
        record.span_id = span_id
    return True
