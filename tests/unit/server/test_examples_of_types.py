"""A sample fits the type it was made for, as the codec sees it."""

import enum
import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from chekov.serialization.codec import convert
from chekov.server.examples import sample


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    name: str
    price: Decimal


@dataclass(frozen=True)
class Everything:
    id: UUID
    first_name: str
    count: int
    ratio: float
    flag: bool
    when: datetime
    day: date
    lasting: timedelta
    colour: Colour
    size: Literal["small", "large"]
    part: Part
    parts: list[Part]
    pair: tuple[int, str]
    more: dict[str, int]
    perhaps: int | None
    left_out: str = "x"
    also: list[int] = field(default_factory=list[int])


def test_a_sample_fits_its_type() -> None:
    value = sample(Everything)
    assert isinstance(convert(json.loads(json.dumps(value)), Everything), Everything)
    assert value["first_name"] == "first-name"
    assert "left_out" not in value
