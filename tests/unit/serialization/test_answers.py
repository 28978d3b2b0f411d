"""Answers of the API are read into the types that programs use."""

from collections.abc import Sized
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest

from chekov import Aggregate, UnexpectedResult, UnusableState
from chekov.serialization.answers import (
    CommandDocument,
    EventPage,
    MalformedAnswer,
    read_answer,
    read_result,
    read_state,
)

ID = uuid4()
EVENT = (
    b'{"position":7,"stream":"a-1","version":2,"id":"%b","type":"noted","time":'
    b'"2026-12-01T00:00:00+00:00","correlation_id":null,"causation_id":null,"metadata":{"a":1},'
    b'"data":%b}'
)


@dataclass(frozen=True)
class Row:
    day: date
    total: Decimal
    ids: tuple[UUID, ...] = ()


class Named(Protocol):
    name: str


class Basket(Aggregate, identity="basket"):
    items: frozenset[str] = frozenset()


class Unwritable(Aggregate, identity="unwritable"):
    items: Sized | None = None


def test_a_page_keeps_the_content_of_events_as_it_was_sent() -> None:
    event = EVENT % (str(ID).encode(), b'{"price": 1.10, "large": 12345678901234567890123}')
    page = read_answer(b'{"stream":"a-1","events":[%b],"next":7}' % event, EventPage)
    assert page.next == 7
    [found] = page.events
    assert (found.id, found.metadata) == (ID, {"a": 1})
    assert found.content == b'{"price": 1.10, "large": 12345678901234567890123}'


def test_content_that_is_not_json_arrives_as_its_bytes() -> None:
    event = EVENT % (str(ID).encode(), b'null,"data_base64":"AAEC"')
    page = read_answer(b'{"events":[%b],"next":null}' % event, EventPage)
    assert page.events[0].content == b"\0\1\2"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"stream":"a"}', b"\xff", b"<html>"])
def test_anything_else_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        read_answer(data, CommandDocument)


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        (b'{"a":1}', None, {"a": 1}),
        (b"3", int, 3),
        (b"null", int | None, None),
        (
            b'[{"day":"2026-12-01","total":1.10}]',
            list[Row],
            [Row(date(2026, 12, 1), Decimal("1.10"))],
        ),
        (b'{"name":"x"}', Named, {"name": "x"}),
        (b"[1]", Any, [1]),
    ],
)
def test_a_result_has_the_type_of_its_annotation(
    data: bytes, declared: object, expected: object
) -> None:
    assert read_result("books/count", data, declared) == expected


@pytest.mark.parametrize(
    ("data", "declared"),
    [(b'"many"', int), (b"<html>", int), (b"<html>", None), (b"<html>", Named), (b'"\xff"', None)],
)
def test_a_result_of_another_type_is_an_error(data: bytes, declared: object) -> None:
    with pytest.raises(UnexpectedResult, match="books/count"):
        read_result("books/count", data, declared)


def test_a_state_is_an_object_of_its_class() -> None:
    assert read_state(b'{"items":["a","a"]}', Basket).items == {"a"}
    with pytest.raises(UnusableState, match="Basket cannot be read"):
        read_state(b'{"items":7}', Basket)
    with pytest.raises(UnusableState, match="Unwritable cannot be read"):
        read_state(b'{"items":null}', Unwritable)
