"""Sends spans away or shows them; imported only where that is asked for: it is slow to load."""

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

from chekov.server.tracing import Tracing

_FLUSH_SECONDS: Final = 3.0


@asynccontextmanager
async def exporting(
    attributes: Mapping[str, str], *, to_console: bool = False
) -> AsyncGenerator[Tracing]:
    """Tracing whose spans go to the OTLP endpoint that the `OTEL_*` variables name.

    `to_console` writes a line a span to standard output instead, for people who have no collector.

    `attributes` describe this process beside `OTEL_RESOURCE_ATTRIBUTES`. What is left is sent
    when the block ends.
    """
    provider = TracerProvider(resource=Resource.create(dict(attributes)))
    if to_console:
        exporter = ConsoleSpanExporter(formatter=_line)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        exporter = OTLPSpanExporter()
        provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Tracing(provider)
    finally:
        async with asyncio.TaskGroup() as group:
            closing = group.create_task(asyncio.to_thread(provider.shutdown))
            await asyncio.wait((closing,), timeout=_FLUSH_SECONDS)
            if not closing.done():
                # It would go on for longer than a pod may take to end.
                exporter.shutdown()


def _line(span: ReadableSpan) -> str:
    """A span for a person: which trace, what, how long, and below which other span."""
    own = span.get_span_context()
    trace = f"{own.trace_id:032x}" if own else ""
    number = f"{own.span_id:016x}" if own else ""
    below = f" below {span.parent.span_id:016x}" if span.parent else ""
    took = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    return f"trace {trace}  {took:8.2f} ms  {span.name} ({number}{below})\n"
