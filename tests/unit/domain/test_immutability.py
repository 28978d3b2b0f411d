"""What two owners may share, by its annotations and by its values."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest

from chekov import Aggregate
from chekov.domain.immutability import has_immutable_fields, is_immutable, is_immutable_value

Name = NewType("Name", str)


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Tree:
    name: str
    children: "tuple[Tree, ...]" = ()


@dataclass(frozen=True)
class Box:
    lines: list[str]


@dataclass
class Open:
    name: str


@pytest.mark.parametrize(
    "hint",
    [
        str, Name, Annotated[int, "positive"], Decimal | None, tuple[int, str], tuple[UUID, ...],
        frozenset[datetime], Literal["a"], Colour, Tree, tuple[Tree, ...], None,
    ],
)  # fmt: skip
def test_annotations_of_immutable_values(hint: object) -> None:
    assert is_immutable(hint)


@pytest.mark.parametrize(
    "hint",
    [list[int], list, tuple[list[int], ...], dict[str, int], set[int], Box, Open, Any, object],
)
def test_annotations_of_values_that_can_change(hint: object) -> None:
    assert not is_immutable(hint)


class Values(Aggregate, identity="values"):
    number: Decimal | None = None
    pair: tuple[int, str] = (0, "")
    colour: Colour = Colour.RED


class Nested(Aggregate, identity="nested"):
    names: list[str] = field(default_factory=list[str])


@pytest.mark.parametrize(("aggregate", "expected"), [(Values, True), (Nested, False)])
def test_a_state_of_immutable_fields(aggregate: type, *, expected: bool) -> None:
    assert has_immutable_fields(aggregate) is expected


@pytest.mark.parametrize(
    "value", [1, "a", None, Colour.RED, ("a", (1, frozenset({2}))), UTC.utcoffset(None)]
)
def test_values_that_cannot_change(value: object) -> None:
    assert is_immutable_value(value)


CHANGEABLE: list[Any] = [[], {}, set(), ([],), Box([]), Open("a"), object()]


@pytest.mark.parametrize("value", CHANGEABLE)
def test_values_that_can(value: object) -> None:
    assert not is_immutable_value(value)
