"""The content of events that other programs stored becomes an object, and an object stays one."""

import json

import pytest

from chekov.serialization.foreign_events import content_of, metadata_of


@pytest.mark.parametrize(
    ("document", "content"),
    [
        (b'{"account_id": 1, "name": "Ada"}', {"account_id": 1, "name": "Ada"}),
        (b'{"name": {"First": 1}}', {"name": {"First": 1}}),
        (b'{"Forced": {"why": "no"}}', {"why": "no"}),
        (b'{"NameChanged": ["1", "a", "b"]}', {"field_0": "1", "field_1": "a", "field_2": "b"}),
        (b'{"Disabled": "why"}', {"field_0": "why"}),
        (b'"Deleted"', {}),
        (b'"a text"', {"field_0": "a text"}),
        (b"[1, 2]", {"field_0": 1, "field_1": 2}),
        (b"null", {"field_0": None}),
        (b'{"A": 1, "B": 2}', {"A": 1, "B": 2}),
    ],
)
def test_rusts_enums_are_unpacked(document: bytes, content: object) -> None:
    assert json.loads(content_of("chekov", document)) == content


def test_an_object_of_another_program_stays_byte_for_byte() -> None:
    document = b'{"Forced" : {"why":1e400,  "n":12345678901234567890123}}'
    assert content_of("eventstore", document) == document
    assert content_of("chekov", document) == b'{"why":1e400,  "n":12345678901234567890123}'


@pytest.mark.parametrize("document", [b"", b"\x83t\x00", b"[1", b'"half'])
def test_what_is_not_json_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        content_of("chekov", document)


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        (None, None),
        (b"null", None),
        (b"{}", None),
        (b'{"a": 1}', b'{"a": 1}'),
        (b'{"$a": 1, "b": [1]}', b'{"b":[1]}'),
        (b'{"$a": 1}', None),
    ],
)
def test_metadata_loses_the_keys_that_are_the_stores_own(
    document: bytes | None, kept: bytes | None
) -> None:
    assert metadata_of(document) == kept


def test_metadata_is_an_object() -> None:
    with pytest.raises(ValueError, match="object"):
        metadata_of(b"[1]")
