"""The page of field types says what the codec does."""

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from uuid import UUID

import msgspec
import pytest

from chekov import Aggregate, Event, Personal, apply
from chekov.domain.domain import Domain
from chekov.domain.serializer import Serializer
from chekov.errors import DefinitionError
from chekov.serialization.codec import Codec
from chekov.serialization.serializers import Json, MessagePack

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "field-types.md"


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Address:
    city: str


@dataclass(frozen=True)
class Shape:
    name: str


@dataclass(frozen=True)
class Line:
    length: int


class Point(NamedTuple):
    x: int


class Row(TypedDict):
    name: str


class Card(msgspec.Struct, tag=True):
    number: str


class Transfer(msgspec.Struct, tag=True):
    account: str


AccountId = NewType("AccountId", str)


NAMES: dict[str, Any] = {
    "Address": Address,
    "Annotated": Annotated,
    "Any": Any,
    "Callable": Callable,
    "Card": Card,
    "Colour": Colour,
    "Decimal": Decimal,
    "IPv4Address": IPv4Address,
    "Line": Line,
    "Literal": Literal,
    "Mapping": Mapping,
    "Personal": Personal,
    "Point": Point,
    "Row": Row,
    "Sequence": Sequence,
    "Shape": Shape,
    "Transfer": Transfer,
    "UUID": UUID,
    "AbstractSet": AbstractSet,
    "AccountId": AccountId,
    "date": date,
    "datetime": datetime,
    "deque": deque,
    "time": time,
    "timedelta": timedelta,
}


def annotations(table: int) -> list[str]:
    """The first column of a table of the page."""
    tables = re.findall(
        r"^\| annotation \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE
    )
    rows = re.findall(r"^\| `((?:[^`])+)` \|", tables[table], re.MULTILINE)
    assert len(rows) == tables[table].count("\n")
    return [row.replace("\\|", "|") for row in rows]


def codec(annotation: str, serializer: Serializer) -> Codec:
    """The codec of a domain with one event, which has a field of this type."""
    hint: Any = eval(annotation, NAMES)  # the page is the project's own

    class Held(Event, subject="about"):
        about: str
        value: hint  # pyright: ignore[reportInvalidTypeForm]

    class Holder(Aggregate):
        @apply
        def held(self, event: Held) -> None:
            pass

    return Codec(Domain("types", aggregates=[Holder], serializer=serializer))


@pytest.mark.parametrize("serializer", [Json(), MessagePack()], ids=["json", "messagepack"])
@pytest.mark.parametrize("annotation", annotations(0))
def test_types_that_a_field_may_have(annotation: str, serializer: Serializer) -> None:
    codec(annotation, serializer)


@pytest.mark.parametrize("annotation", annotations(1))
def test_types_that_are_refused_with_the_page(annotation: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        codec(annotation, Json())
    assert "docs/reference/field-types.md" in str(caught.value)
