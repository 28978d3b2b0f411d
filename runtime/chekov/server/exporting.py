"""Sends spans away over OTLP; imported only where that is asked for, because it is slow to load."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from chekov.server.tracing import Tracing

_FLUSH_SECONDS: Final = 3.0


@asynccontextmanager
async def exporting(attributes: Mapping[str, str]) -> AsyncGenerator[Tracing]:
    """Tracing whose spans go to the OTLP endpoint that the `OTEL_*` variables name.

    `attributes` describe this process beside `OTEL_RESOURCE_ATTRIBUTES`. What is left is sent
    when the block ends.
    """
    provider = TracerProvider(resource=Resource.create(dict(attributes)))
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
