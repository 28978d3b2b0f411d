"""A pass leaves a trace: what it was about, what it asked, and how it ended."""

import asyncio
import json
import logging

import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from chekov.telemetry import logs
from chekov.telemetry.trace_export import exporting
from chekov_operator import tracing
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import CONFIG_MAP
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.scene import BANK, Scene


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return provider.get_tracer("test")


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics, tracer: Tracer) -> Scene:
    return Scene(api, client, metrics, tracer=tracer)


def named(exported: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exported.get_finished_spans() if span.name == name]


async def test_a_pass_is_a_span_about_its_object(
    scene: Scene, exported: InMemorySpanExporter
) -> None:
    scene.give_bank()
    await scene.reconcile()
    (span,) = named(exported, "reconcile DomainBundle")
    assert dict(span.attributes or {}) == {
        "k8s.namespace.name": "shops",
        "chekov.kind": "DomainBundle",
        "chekov.name": "bank",
    }
    assert span.status.status_code is StatusCode.UNSET


async def test_its_requests_are_spans_below_it(
    scene: Scene, exported: InMemorySpanExporter
) -> None:
    scene.give_bank()
    await scene.reconcile()
    (whole,) = named(exported, "reconcile DomainBundle")
    (made,) = named(exported, "PATCH Job")
    assert whole.context is not None
    assert made.parent is not None
    assert made.parent.span_id == whole.context.span_id
    assert (made.attributes or {})["http.response.status_code"] == 201


async def test_that_something_does_not_exist_is_no_error(
    client: Client, tracer: Tracer, exported: InMemorySpanExporter
) -> None:
    with tracing.reconciling(tracer, BANK):
        await client.get(CONFIG_MAP, "shops", "missing")
    (read,) = named(exported, "GET ConfigMap")
    assert (read.attributes or {})["http.response.status_code"] == 404
    assert read.status.status_code is StatusCode.UNSET


async def test_a_pass_that_fails_says_so(
    scene: Scene, api: FakeApi, exported: InMemorySpanExporter
) -> None:
    scene.give_bank()
    api.fail("PATCH", "/serviceaccounts/bank", 500, "InternalError")
    await scene.reconcile()
    (refused,) = named(exported, "PATCH ServiceAccount")
    assert refused.status.status_code is StatusCode.ERROR
    (whole,) = named(exported, "reconcile DomainBundle")
    assert whole.status.status_code is StatusCode.ERROR
    assert "InternalError" in (whole.status.description or "")


async def test_a_request_outside_of_a_pass_leaves_no_trace(
    client: Client, tracer: Tracer, exported: InMemorySpanExporter
) -> None:
    del tracer
    await client.get(CONFIG_MAP, "shops", "code")
    assert exported.get_finished_spans() == ()


def test_a_log_line_of_a_reconciliation_has_its_trace_id(
    tracer: Tracer, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("json", "info")
        with tracing.reconciling(tracer, BANK) as span:
            logging.getLogger("chekov_operator.test").info("changed")
        logging.getLogger("chekov_operator.test").info("done")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    inside, outside = map(json.loads, capsys.readouterr().err.splitlines())
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert "trace_id" not in outside


async def test_spans_are_sent_to_the_collector_before_the_process_ends(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def collect(request: web.Request) -> web.Response:
        received.put_nowait(await request.read())
        return web.Response(content_type="application/x-protobuf")

    application = web.Application()
    application.router.add_post("/v1/traces", collect)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused_tcp_port}")
    try:
        async with exporting({"service.instance.id": "operator-1"}) as provider:
            with tracing.reconciling(provider.get_tracer("test"), BANK):
                pass
        assert b"reconcile DomainBundle" in await received.get()
    finally:
        await runner.cleanup()
