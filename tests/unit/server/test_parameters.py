"""Query strings of pages are read strictly."""

import pytest
from multidict import MultiDict

from chekov.server import parameters
from chekov.server.parameters import Page
from chekov.server.problems import RequestError


def test_a_page_has_defaults() -> None:
    assert parameters.page(MultiDict()) == Page(after=0, limit=100, direction="forward")


def test_a_page_is_read() -> None:
    query = MultiDict({"after": "7", "limit": "1000", "direction": "backward"})
    assert parameters.page(query) == Page(after=7, limit=1000, direction="backward")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", "-1"),
        ("after", "x"),
        ("after", "9223372036854775808"),
        ("after", "9" * 5000),
        ("after", "٣"),
        ("limit", "0"),
        ("limit", "1001"),
        ("direction", "sideways"),
        ("types", "a"),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(RequestError, match=name):
        parameters.page(MultiDict({name: value}), {"type"})


def test_a_filter_keeps_types_and_categories() -> None:
    wanted = parameters.filter_(MultiDict([("type", "a"), ("type", "b"), ("category", "account")]))
    assert wanted.keeps("a", "account-1")
    assert not wanted.keeps("c", "account-1")
    assert not wanted.keeps("b", "accounts-1")


def test_no_filter_keeps_everything() -> None:
    assert parameters.filter_(MultiDict()).keeps("any", "thing")
