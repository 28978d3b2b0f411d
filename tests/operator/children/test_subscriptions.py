"""The Subscriptions of a bundle, and their names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov_operator.children import names
from chekov_operator.children.subscriptions import subscriptions
from tests.operator.samples import bundle
from tests.operator.scene import FINE


def test_each_handler_of_the_revision_has_one() -> None:
    (made,) = subscriptions(bundle(), FINE)
    assert made["metadata"]["name"] == "bank-balances"
    assert made["metadata"]["labels"]["chekov.dev/bundle"] == "bank"
    assert [owner["kind"] for owner in made["metadata"]["ownerReferences"]] == ["DomainBundle"]
    assert made["spec"] == {
        "bundleRef": {"name": "bank"},
        "eventStoreRef": {"name": "main"},
        "domain": "bank",
        "handler": "balances",
        "kind": "projection",
        "version": 1,
    }


def test_before_the_check_there_are_none() -> None:
    assert subscriptions(bundle(), None) == []
    assert subscriptions(bundle(), {**FINE, "subscriptions": []}) == []


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        ("balances", "bank-balances"),
        ("daily-mails-2", "bank-daily-mails-2"),
        ("Balances", "bank-balances-97f698"),
        ("daily_mails", "bank-daily-mails-"),
        ("Überweisung", "bank--berweisung-"),
        ("x" * 80, "bank-xxxx"),
    ],
)
def test_a_name_that_had_to_be_changed_ends_with_digits(handler: str, name: str) -> None:
    found = names.subscription("bank", handler)
    assert found.startswith(name[:18])
    assert bool(re.search("-[0-9a-f]{6}$", found)) == (found != f"bank-{handler}")


@given(st.lists(st.text(min_size=1, max_size=90), min_size=2, max_size=2, unique=True))
def test_different_handlers_have_different_valid_names(handlers: list[str]) -> None:
    found = [names.subscription("b" * 47, handler) for handler in handlers]
    assert len(set(found)) == 2
    assert all(re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in found)
