"""Values that domains and replies are made of become JSON."""

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from uuid import UUID

import pytest

from chekov.serialization.json import to_json


@dataclass(frozen=True)
class Address:
    street: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    rows: "list[Row]"


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


class Row:
    """What asyncpg returns: neither a dict nor a tuple."""

    def keys(self) -> Iterable[str]:
        return ("id",)

    def items(self) -> Iterable[tuple[str, int]]:
        return (("id", 1),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Row(), {"id": 1}),
        ({"rows": [Row()], "first": Row()}, {"rows": [{"id": 1}], "first": {"id": 1}}),
        (Page([Row()]), {"rows": [{"id": 1}]}),
        (MappingProxyType({"a": Row()}), {"a": {"id": 1}}),
        (deque([1, 2]), [1, 2]),
        (ip_address("::1"), "::1"),
        (ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    ],
)
def test_what_databases_and_states_hold_becomes_json(value: object, expected: object) -> None:
    assert json.loads(to_json(value)) == expected
