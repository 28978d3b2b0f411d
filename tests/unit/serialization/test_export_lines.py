import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chekov.errors import MalformedExport
from chekov.serialization.export_lines import (
    FORMAT,
    Heading,
    decode_event,
    decode_heading,
    decode_key,
    decode_stream,
    encode_heading,
)

TIME = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "position": 7,
    "stream": "account-1",
    "version": 2,
    "id": str(UUID(int=1)),
    "type": "Opened",
    "time": TIME.isoformat(),
    "correlation_id": None,
    "causation_id": str(UUID(int=2)),
}


def line(**members: Any) -> bytes:
    return json.dumps(members).encode() + b"\n"


def test_a_heading_survives_the_way_there_and_back() -> None:
    heading = Heading(format=FORMAT, after=3, after_id=UUID(int=1), head=9, streams=2, keys=0)
    assert decode_heading(encode_heading(heading)) == heading


def test_a_heading_of_another_format_is_refused() -> None:
    heading = Heading(format="other", after=0, after_id=None, head=0, streams=0, keys=0)
    with pytest.raises(MalformedExport, match=f"line 1 .*expected the format {FORMAT}"):
        decode_heading(encode_heading(heading))


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ({"data": {"a": 1}}, b'{"a": 1}'),
        ({"data_text": '{"a":1.10}'}, b'{"a":1.10}'),
        ({"content": "AP8="}, b"\x00\xff"),
    ],
)
def test_an_event_has_its_payload_in_one_of_three_forms(
    content: dict[str, Any], data: bytes
) -> None:
    event = decode_event(line(**EVENT, **content, metadata={"who": "Ada"}), 5)
    assert (event.position, event.stream, event.version) == (7, "account-1", 2)
    assert (event.id, event.causation_id, event.time) == (UUID(int=1), UUID(int=2), TIME)
    assert (event.data, event.is_json, event.metadata) == (
        data,
        "content" not in content,
        b'{"who": "Ada"}',
    )


def test_metadata_may_be_absent_or_text() -> None:
    assert decode_event(line(**EVENT, data={}), 5).metadata is None
    assert decode_event(line(**EVENT, data={}, metadata=None), 5).metadata is None
    assert decode_event(line(**EVENT, data={}, metadata_text="{}"), 5).metadata == b"{}"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (line(**EVENT), "expected one of data, data_text and content"),
        (line(**EVENT, data={}, content="AA=="), "expected one of data, data_text and content"),
        (line(**EVENT, content="?"), "not base64"),
        (line(**EVENT, data={}, more=1), "this is not an event"),
        (line(**EVENT, data={})[:-9], "it was truncated"),
    ],
)
def test_a_line_that_is_not_an_event_is_refused(data: bytes, text: str) -> None:
    with pytest.raises(MalformedExport, match=text) as caught:
        decode_event(data, 5)
    assert caught.value.line == 5


def test_streams_and_keys_have_lines_of_their_own() -> None:
    stream = decode_stream(
        line(name="account-1", created=TIME.isoformat(), first=3, deleted=None), 8
    )
    assert (stream.name, stream.created, stream.first) == ("account-1", TIME, 3)
    assert stream.deleted is None
    key = decode_key(
        line(
            key=str(UUID(int=4)),
            subject="ada",
            secret=None,
            created=TIME.isoformat(),
            forgotten=TIME.isoformat(),
        ),
        9,
    )
    assert (key.key, key.subject, key.secret, key.forgotten) == (UUID(int=4), "ada", None, TIME)
    with pytest.raises(MalformedExport, match="this is not a stream"):
        decode_stream(line(name="account-1"), 8)
    with pytest.raises(MalformedExport, match="this is not a key"):
        decode_key(line(key="x"), 9)
