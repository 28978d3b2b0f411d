"""Results of queries become what their annotations say, or a typed error."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

import pytest

from chekov.serialization.results import UnexpectedResult, as_declared


class Row(Mapping[str, Any]):
    """What a driver returns: neither a dict nor a dataclass."""

    def __init__(self, **columns: Any) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


@dataclass
class Balance:
    account: str
    amount: int


class Point(NamedTuple):
    x: int


class Shape(Protocol):
    pass


ID = uuid4()


@pytest.mark.parametrize(
    ("value", "declared", "result"),
    [
        (Row(account="a", amount=3), Balance, Balance("a", 3)),
        (Row(account="a", amount=3, more=1), Balance, Balance("a", 3)),
        (Balance("a", 3), Balance, Balance("a", 3)),
        (None, Balance | None, None),
        (Row(account="a", amount=3), Balance | None, Balance("a", 3)),
        ([Row(account="a", amount=3)], list[Balance], [Balance("a", 3)]),
        ([Row(account="a", amount=3)], Sequence[Balance], [Balance("a", 3)]),
        ({"first": Row(account="a", amount=3)}, dict[str, Balance], {"first": Balance("a", 3)}),
        ([Row(a=1)], list[Mapping[str, Any]], [{"a": 1}]),
        ({"rows": [Row(a=1)]}, dict[str, Any], {"rows": [{"a": 1}]}),
        (7, int, 7),
        (Decimal(7), int, 7),
        (Decimal(7), int | None, 7),
        (Decimal("7.5"), Decimal, Decimal("7.5")),
        (ID, type(ID), ID),
        (None, type(None), None),
        ("anything", None, "anything"),
        (Point(1), Point, Point(1)),
        ("anything", Any, "anything"),
    ],
)
def test_a_result_is_what_the_annotation_says(value: Any, declared: Any, result: Any) -> None:
    found = as_declared("balances/one", value, declared)
    assert found == result
    assert type(found) is type(result)


def test_a_type_that_nothing_can_be_converted_to_is_not_checked() -> None:
    shape = object()
    assert as_declared("balances/one", shape, Shape) is shape


@pytest.mark.parametrize(
    ("value", "declared", "reason"),
    [
        (None, Balance, "Expected `object`, got `null`"),
        (Row(account="a"), Balance, "missing required field `amount`"),
        ([Row(account="a", amount="x")], list[Balance], r"Expected `int`, got `str`"),
        ("x", int, "Expected `int`, got `str`"),
        (Decimal("7.5"), int, "Expected `int`, got `decimal`"),
        (Decimal("NaN"), int, "Expected `int`, got `decimal`"),
        (3, type(None), "Expected `null`, got `int`"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_query(
    value: Any, declared: Any, reason: str
) -> None:
    with pytest.raises(UnexpectedResult, match=reason) as caught:
        as_declared("balances/one", value, declared)
    assert "the query balances/one" in str(caught.value)
