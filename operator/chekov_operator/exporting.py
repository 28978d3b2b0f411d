"""Sends spans away; imported only where that is asked for, because it is slow to load."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

_FLUSH_SECONDS: Final = 3.0


@asynccontextmanager
async def exporting(instance: str) -> AsyncGenerator[Tracer]:
    """A tracer whose spans go to the OTLP endpoint that the `OTEL_*` variables name.

    What is left is sent when the block ends. `instance` names this replica.
    """
    resource = Resource.create({"service.instance.id": instance})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider.get_tracer("chekov_operator")
    finally:
        async with asyncio.TaskGroup() as group:
            closing = group.create_task(asyncio.to_thread(provider.shutdown))
            await asyncio.wait((closing,), timeout=_FLUSH_SECONDS)
            if not closing.done():
                # It would go on for longer than a pod may take to end.
                exporter.shutdown()
