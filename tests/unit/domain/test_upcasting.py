# Its classes are wrong on purpose, and checkers see most of it.
# pyright: basic, reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false, reportUndefinedVariable=false

from collections.abc import Callable
from typing import Any

import pytest

from chekov import (
    upcast,
)
from chekov.domain.upcasting import UpcasterChain
from chekov.errors import Undecodable
from tests.unit.domain.upcasters import ALL, ORIGIN, Opened, bank, named, raising, with_currency


def test_upcasters_are_applied_one_after_the_other() -> None:
    upcasting = bank(*ALL)().upcasting
    assert list(upcasting.results("moved", {"to": "Ada"}, ORIGIN)) == [
        ("closed", {}),
        ("opened@3", {"owner": "Ada of account-1", "currency": "USD"}),
    ]
    assert list(upcasting.results("noise", {}, ORIGIN)) == []
    assert list(upcasting.results("closed", {"a": 1}, ORIGIN)) == [("closed", {"a": 1})]


def test_an_upcaster_is_still_the_function_that_it_was() -> None:
    assert with_currency({"owner": "Ada"}, ORIGIN) == {"owner": "Ada", "currency": "USD"}
    assert str(named) == "upcaster named of 'opened'"


def returning(value: Any) -> Callable[..., Any]:
    return lambda *_: value


@pytest.mark.parametrize(
    ("to", "function", "text"),
    [
        ("closed", raising, "the upcaster raising of 'old' raised KeyError: 'nobody'"),
        ("closed", returning(None), "returned a NoneType, expected a dict"),
        ("closed", returning([("closed", {})]), "expected a dict"),
        (("closed",), returning(None), "'NoneType' object is not iterable"),
        (("closed",), returning(["closed"]), "returned a str, expected pairs"),
        (("closed",), returning([("closed", 3)]), "expected pairs"),
        (("closed",), returning([("closed", {}, 3)]), "expected pairs"),
        (("closed",), returning([(Opened, {})]), "leads to 'opened@3', which its `to`"),
        (("closed",), returning([(3, {})]), "leads to '3', which its `to`"),
    ],
)
def test_an_upcaster_that_fails_makes_the_event_undecodable(
    to: Any, function: Callable[..., Any], text: str
) -> None:
    upcasting = UpcasterChain({"old": upcast("old", to=to)(function)})
    with pytest.raises(Undecodable) as caught:
        list(upcasting.results("old", {}, ORIGIN))
    error = caught.value
    assert text in str(error)
    assert (error.type, error.stream, error.version) == ("first", "account-1", 3)


def test_the_error_of_an_upcaster_is_the_cause() -> None:
    upcasting = UpcasterChain({"old": upcast("old", to="closed")(raising)})
    with pytest.raises(Undecodable) as caught:
        list(upcasting.results("old", {}, ORIGIN))
    assert isinstance(caught.value.__cause__, KeyError)
