"""Values that domains and replies are made of become JSON."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from chekov.serialization.json import to_json


@dataclass(frozen=True)
class Address:
    street: str
    lines: tuple[str, ...] = ()


def test_a_value_becomes_json() -> None:
    value = {
        "id": UUID(int=1),
        "at": datetime(2024, 5, 6, 7, 8, 9, 123456, UTC),
        "address": Address("x"),
        "n": Decimal("1.5"),
    }
    assert json.loads(to_json(value)) == {
        "id": str(UUID(int=1)),
        "at": "2024-05-06T07:08:09.123456Z",
        "address": {"street": "x", "lines": []},
        "n": "1.5",
    }


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json(object())
