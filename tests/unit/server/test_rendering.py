"""Events are written as JSON around their stored payload."""

import json
from datetime import UTC, datetime
from uuid import UUID

from chekov.server import rendering
from chekov.store.port import RecordedEvent

EVENT = RecordedEvent(
    position=7,
    stream='account-"ü"\n',
    version=2,
    id=UUID(int=1),
    type="money-deposited",
    data=b'{"amount":1.10}',
    metadata=None,
    correlation_id=UUID(int=2),
    causation_id=None,
    time=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
)


def test_an_event_is_json_with_its_payload_untouched() -> None:
    text = rendering.event(EVENT)
    assert b'"data":{"amount":1.10}' in text
    assert json.loads(text) == {
        "position": 7,
        "stream": 'account-"ü"\n',
        "version": 2,
        "id": "00000000-0000-0000-0000-000000000001",
        "type": "money-deposited",
        "time": "2026-01-02T03:04:05.000678+00:00",
        "correlation_id": "00000000-0000-0000-0000-000000000002",
        "causation_id": None,
        "metadata": {},
        "data": {"amount": 1.1},
    }


def test_content_that_is_not_json_is_shown_as_json_where_it_can_be() -> None:
    shown = json.loads(rendering.event(EVENT._replace(data=b"\x81\xa6amount\x03")))
    assert shown["data"] == {"amount": 3}
    assert "data_base64" not in shown
    opaque = EVENT._replace(data=b"\x00\xff")
    shown = json.loads(rendering.event(opaque))
    assert (shown["data"], shown["data_base64"]) == (None, "AP8=")
    assert (rendering.content(EVENT), rendering.content(opaque)) == ('{"amount":1.10}', "AP8=")


def test_a_page_says_where_the_next_one_begins() -> None:
    page = json.loads(rendering.page([EVENT], 7, stream=b'"s"'))
    assert page["stream"] == "s"
    assert page["next"] == 7
    assert [item["position"] for item in page["events"]] == [7]


def test_the_last_page_has_no_next() -> None:
    assert json.loads(rendering.page([], None)) == {"events": [], "next": None}
