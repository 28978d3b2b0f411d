"""A principal has a subject, claims, and the scopes that these name."""

from typing import Any

import pytest

from chekov import CommandEnvelope, InvalidArgument, Principal
from tests.unit.engine.counter_domain import Add


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, set[str]()),
        ({"scope": "read write"}, {"read", "write"}),
        ({"scp": ["read", "write", 7]}, {"read", "write"}),
        ({"scope": "read", "scp": "write"}, {"read", "write"}),
        ({"scope": 7, "scp": None}, set[str]()),
    ],
    ids=str,
)
def test_scopes_are_those_that_the_claims_name(claims: dict[str, Any], scopes: set[str]) -> None:
    assert Principal("ada", claims).scopes == scopes


@pytest.mark.parametrize(
    ("subject", "claims"), [("", {}), (7, {}), (None, {}), ("ada", None), ("ada", ["read"])]
)
def test_what_identifies_nobody_is_refused(subject: Any, claims: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^(subject|claims)=.*: expected "):
        Principal(subject, claims)


def test_equal_ones_are_one_key_of_a_mapping() -> None:
    assert {Principal("ada", {"scope": "read"}): 1}[Principal("ada", {"scope": "read"})] == 1


def test_a_command_without_one_is_sent_by_nobody() -> None:
    assert CommandEnvelope.of(Add(counter="a", amount=1)).principal is None
