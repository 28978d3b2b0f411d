"""Traces leave over OTLP: one leads from the request to the handler of its event."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tests.integration.server_process import bank, chekov

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


class Collector:
    """Receives spans over OTLP/HTTP."""

    def __init__(self) -> None:
        self.received: list[ResourceSpans] = []

    async def post(self, request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest()
        message.ParseFromString(await request.read())
        self.received.extend(message.resource_spans)
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/traces", self.post)
        return app

    def spans(self) -> Iterator[Span]:
        for resource in self.received:
            for scope in resource.scope_spans:
                yield from scope.spans


async def test_one_trace_leads_from_the_request_to_the_handler(dsn: str) -> None:
    collector = Collector()
    async with TestServer(collector.application()) as receiver:
        environment = bank(
            dsn,
            CHEKOV_BUNDLE="bank",
            OTEL_EXPORTER_OTLP_ENDPOINT=str(receiver.make_url("")),
            OTEL_SERVICE_NAME="bank-runtime",
        )
        async with chekov("serve", **environment) as server:
            await server.serving()
            async with (
                aiohttp.ClientSession() as session,
                session.post(
                    server.api("/commands/OpenAccount"),
                    json={"account_id": str(uuid4()), "owner": "Ada"},
                    headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "Prefer": "wait=30"},
                ) as response,
            ):
                assert response.status == 200
                assert (await response.json())["consistent"] is True
            server.terminate()
            assert await server.ended() == 0
    spans = {span.name: span for span in collector.spans() if span.trace_id.hex() == TRACE}
    request = spans["POST /commands/OpenAccount"]
    command, append = spans["command OpenAccount"], spans["append"]
    handler = spans["handle balances"]
    assert request.parent_span_id.hex() == CALLER
    assert command.parent_span_id == request.span_id
    assert append.parent_span_id == command.span_id
    assert handler.parent_span_id in {request.span_id, command.span_id}
    attributes = {
        item.key: item.value.string_value for item in collector.received[0].resource.attributes
    }
    assert attributes["service.name"] == "bank-runtime"
    assert attributes["chekov.bundle"] == "bank"


async def test_log_lines_name_the_trace_of_their_request(dsn: str) -> None:
    async with chekov("serve", **bank(dsn, CHEKOV_LOG_LEVEL="debug")) as server:
        await server.serving()
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                server.api("/events"), headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}
            ) as response,
        ):
            assert response.status == 200
            correlation = response.headers["X-Correlation-ID"]
    (line,) = (item for item in server.log if item["message"] == "GET /events 200")
    assert line["trace_id"] == TRACE
    assert line["correlation_id"] == correlation


async def test_an_unavailable_collector_delays_nobody(dsn: str) -> None:
    async with TestServer(Collector().application()) as receiver:
        nobody = str(receiver.make_url(""))
    environment = bank(dsn, OTEL_EXPORTER_OTLP_ENDPOINT=nobody)
    async with chekov("serve", **environment) as server, aiohttp.ClientSession() as session:
        await server.serving()
        async with session.get(server.api("/events")) as response:
            assert response.status == 200
        server.terminate()
        async with asyncio.timeout(240):
            assert await server.ended() == 0
