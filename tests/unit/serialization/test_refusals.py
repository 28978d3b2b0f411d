"""The refusal of a command comes back as its class, with the fields that it had."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from chekov import Rejected, StreamDeleted
from chekov.errors.rejection import fields_of
from chekov.serialization.json import plain_values
from chekov.serialization.processes import decode_refusal, encode_refusal


@dataclass(frozen=True)
class Line:
    sku: str
    price: Decimal


class Missing(Rejected, code="missing-lines"):
    """Lines are missing."""

    order: UUID
    lines: tuple[Line, ...]
    until: date | None = None


def test_fields_come_back_with_their_types() -> None:
    lines = (Line("a", Decimal("1.50")),)
    error = Missing("no a", order=uuid4(), lines=lines, until=date(2027, 1, 2))
    again = decode_refusal(encode_refusal(error))
    assert type(again) is Missing
    assert str(again) == again.message == "no a"
    assert fields_of(again) == fields_of(error)


def test_it_is_found_by_its_code() -> None:
    assert b'"code":"missing-lines"' in encode_refusal(Missing(order=uuid4(), lines=()))


def test_of_several_with_a_code_it_is_the_same_class_and_another_after_a_move() -> None:
    former = encode_refusal(Missing(order=uuid4(), lines=()))

    class Another(Rejected, code="missing-lines"):
        pass

    assert type(decode_refusal(encode_refusal(Another("no")))) is Another
    assert type(decode_refusal(former)) is Missing
    moved = former.replace(b"test_refusals.Missing", b"elsewhere.Missing")
    assert moved != former
    assert type(decode_refusal(moved)) is Missing


def test_what_does_not_fit_any_more_is_left_as_it_is() -> None:
    again = decode_refusal(b'{"code":"missing-lines","message":"no","fields":{"order":"x"}}')
    assert type(again) is Missing
    assert fields_of(again)["order"] == "x"


@pytest.mark.parametrize(
    ("name", "annotation"),
    [("Unknown", "Elsewhere"), ("Gone", "date.nothing"), ("NoType", "date | 1")],
)
def test_fields_whose_types_cannot_be_evaluated_are_left_as_they_are(
    name: str, annotation: str
) -> None:
    odd: Any = type(name, (Rejected,), {"__annotations__": {"day": annotation}})
    again = decode_refusal(encode_refusal(odd("no", day="2027-01-02")))
    assert type(again) is odd
    assert fields_of(again) == {"day": "2027-01-02"}


def test_an_unknown_code_or_another_error_is_a_plain_refusal() -> None:
    assert type(decode_refusal(b'{"code":"former","message":"no"}')) is Rejected
    again = decode_refusal(encode_refusal(StreamDeleted("order-1")))
    assert type(again) is Rejected
    assert "order-1" in str(again)


def test_what_json_cannot_hold_is_left_out_of_the_store_and_text_for_clients() -> None:
    class Odd(Rejected):
        thing: object
        price: Decimal

    error = Odd(thing=object, price=Decimal("1.50"))
    again = decode_refusal(encode_refusal(error))
    assert fields_of(again) == {"price": Decimal("1.50")}
    assert plain_values(fields_of(error)) == {"thing": str(object), "price": "1.50"}
