"""An example is accepted by the codec, whatever its type."""

import enum
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, make_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import msgspec
import pytest

from chekov.serialization.examples import example
from chekov.serialization.json import to_json

T = TypeVar("T")

CopyId = NewType("CopyId", UUID)
Isbn = NewType("Isbn", str)
Pages = NewType("Pages", int)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 3


@dataclass(frozen=True)
class Part:
    name: str
    price: Decimal


@dataclass(frozen=True)
class Tree:
    label: str
    left: Optional["Tree"]
    others: list["Tree"]


@dataclass(frozen=True)
class Box(Generic[T]):
    content: T


class Point(NamedTuple):
    x: int
    y: int = 0


class Address(TypedDict):
    street: str
    copy: CopyId


TYPES: list[Any] = [
    str, int, float, bool, bytes, bytearray, None, Any,
    UUID, Decimal, datetime, date, time, timedelta,
    CopyId, Isbn, Pages, Colour, Level, Literal["small", "large"], Literal[3],
    Part, Box[int], Box[CopyId], Point, Address, Tree,
    list[Part], list[CopyId], tuple[int, str], tuple[CopyId, ...], set[Isbn], frozenset[int],
    Sequence[Part], AbstractSet[int], dict[str, Part], Mapping[str, CopyId], dict[CopyId, int],
    int | None, CopyId | None, Part | None, str | int, Colour | None,
    Annotated[int, msgspec.Meta(ge=18)], Annotated[int, msgspec.Meta(gt=0, le=5)],
    Annotated[int, msgspec.Meta(ge=5, le=5)], Annotated[int, msgspec.Meta(lt=0)],
    Annotated[int, msgspec.Meta(multiple_of=4)], Annotated[float, msgspec.Meta(gt=0, lt=1)],
    Annotated[str, msgspec.Meta(min_length=12)], Annotated[str, msgspec.Meta(max_length=2)],
    Annotated[list[int], msgspec.Meta(min_length=2)],
]  # fmt: skip


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_an_example_can_be_read_as_its_type(type_: Any) -> None:
    holder = make_dataclass("Holder", [("first_name", type_)])
    value = example(holder)
    assert value is not None
    assert set(value) == {"first_name"}
    msgspec.json.decode(to_json(value), type=holder)


def test_fields_with_a_default_are_left_out() -> None:
    @dataclass
    class Some:
        first_name: str
        size: str = "x"
        also: list[int] = field(default_factory=list[int])

    assert example(Some) == {"first_name": "first-name"}


def test_where_no_example_is_found_there_is_none() -> None:
    pattern = Annotated[str, msgspec.Meta(pattern="^[0-9]{13}$")]
    assert example(make_dataclass("Book", [("isbn", pattern)])) is None
    endless = make_dataclass("Endless", [("next", "Endless")], namespace={"__module__": __name__})
    globals()["Endless"] = endless
    assert example(endless) is None
