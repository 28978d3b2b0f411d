"""Content is split into fields and joined again without a change, and sealed fields are found."""

import json

import pytest

from chekov import MessagePack, Serializer
from chekov.serialization.contents import AnyContents, Contents

FIELDS = {"name": "Ada", "amount": 3, "list": [1, 2.5, None]}


def of(serializer: Serializer | None, data: bytes) -> Contents:
    contents = AnyContents(serializer).of(data)
    assert contents is not None
    return contents


@pytest.mark.parametrize("serializer", [None, MessagePack()], ids=["json", "messagepack"])
def test_fields_are_taken_apart_and_put_together(serializer: Serializer | None) -> None:
    data = json.dumps(FIELDS).encode() if serializer is None else serializer.encode(FIELDS)
    contents = of(serializer, data)
    fields = contents.split(data)
    assert {name: contents.plain(field) for name, field in fields.items()} == FIELDS
    again = {name: contents.field_of(contents.bytes_of(field)) for name, field in fields.items()}
    joined = contents.join(again)
    assert contents.split(joined).keys() == FIELDS.keys()
    assert {name: contents.plain(field) for name, field in again.items()} == FIELDS


@pytest.mark.parametrize("serializer", [None, MessagePack()], ids=["json", "messagepack"])
def test_a_sealed_field_shows_its_ciphertext(serializer: Serializer | None) -> None:
    plain = b'{"amount":3}' if serializer is None else serializer.encode({"amount": 3})
    contents = of(serializer, plain)
    for text in ("ciphertext", None):
        data = contents.join({**contents.split(plain), "name": contents.sealed(text)})
        assert AnyContents(serializer).may_be_sealed(data)
        fields = contents.split(data)
        assert contents.text_of(fields["name"]) == text
        assert contents.text_of(fields["amount"]) is None


def test_json_values_keep_their_bytes() -> None:
    data = b'{"price": 1.10, "text": "\\u0041"}'
    contents = of(None, data)
    assert contents.bytes_of(contents.split(data)["price"]) == b"1.10"
    assert contents.bytes_of(contents.split(data)["text"]) == b'"\\u0041"'


def test_content_of_an_unknown_serializer_cannot_be_split() -> None:
    assert AnyContents(None).of(b"\x81") is None


def test_json_is_split_whichever_serializer_the_domain_has() -> None:
    assert of(MessagePack(), b"{}") is not of(MessagePack(), b"\x80")
