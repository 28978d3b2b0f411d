"""Trace export of the runtime and the operator: spans over OTLP, or to the console.

Loading the SDK and its exporter takes a tenth of a second, so this module is imported only where
traces are exported.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
)

_FLUSH_SECONDS: Final = 3.0


@asynccontextmanager
async def exporting(
    attributes: Mapping[str, str], *, to_console: bool = False
) -> AsyncGenerator[TracerProvider]:
    """A provider whose spans are exported; leaving the block flushes them, for 3 s at most.

    Args:
        attributes: describe this process, in addition to `OTEL_RESOURCE_ATTRIBUTES`.
        to_console: write one line per span to standard output instead of sending the spans to the
            OTLP endpoint that the `OTEL_*` variables name.
    """
    provider = TracerProvider(resource=Resource.create(dict(attributes)))
    if to_console:
        exporter = ConsoleSpanExporter(formatter=_line)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        exporter = OTLPSpanExporter()
        provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider
    finally:
        async with asyncio.TaskGroup() as group:
            closing = group.create_task(asyncio.to_thread(provider.shutdown))
            await asyncio.wait((closing,), timeout=_FLUSH_SECONDS)
            if not closing.done():
                # Its retries would outlast the time that a pod has to terminate.
                exporter.shutdown()


def _line(span: ReadableSpan) -> str:
    """A span for people: its trace, duration, name, id and parent."""
    own = span.get_span_context()
    trace = f"{own.trace_id:032x}" if own else ""
    span_id = f"{own.span_id:016x}" if own else ""
    parent = f" below {span.parent.span_id:016x}" if span.parent else ""
    duration = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    return f"trace {trace}  {duration:8.2f} ms  {span.name} ({span_id}{parent})\n"
