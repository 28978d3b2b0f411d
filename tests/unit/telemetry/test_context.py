"""The ids of a request are those of its span, or of the caller's trace context."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from chekov.telemetry import context
from chekov.telemetry.context import is_traceparent

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def incoming() -> Iterator[None]:
    token = context.traceparent.set(TRACEPARENT)
    yield
    context.traceparent.reset(token)


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", True),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("nonsense", False),
    ],
)
def test_only_a_well_formed_traceparent_is_passed_on(value: str, *, fine: bool) -> None:
    assert is_traceparent(value) is fine


def test_outside_a_trace_there_are_no_ids() -> None:
    assert context.trace_ids() == ("", "")


@pytest.mark.usefixtures("incoming")
def test_without_a_span_the_ids_are_the_callers() -> None:
    assert context.trace_ids() == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


@pytest.mark.usefixtures("incoming")
def test_the_ids_of_the_current_span_come_first() -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("work") as span:
        current = span.get_span_context()
        assert context.trace_ids() == (f"{current.trace_id:032x}", f"{current.span_id:016x}")
