"""The Subscriptions of a bundle, and their names."""

import re

import pytest
from hypothesis import example, given
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
        ("mails2", "bank-mails2"),
        ("Balances", "bank-balances-"),
        ("daily_mails", "bank-daily-mails-"),
        ("daily-mails", "bank-daily-mails-"),
        ("decade", "bank-decade-"),
        ("Überweisung", "bank--berweisung-"),
        ("x" * 80, "bank-xxxx"),
    ],
)
def test_a_name_that_could_be_that_of_another_handler_ends_with_digits(
    handler: str, name: str
) -> None:
    found = names.subscription("bank", handler)
    assert found.startswith(name[:18])
    assert bool(re.search("-[0-9a-f]{6}$", found)) == (found != f"bank-{handler}")


def test_a_handler_has_the_same_name_after_each_check() -> None:
    assert names.subscription("bank", "daily-mails") == "bank-daily-mails-9295fb"


BUNDLES = st.from_regex("[ab]([-ab]{0,45}[ab])?", fullmatch=True)
HANDLERS = st.text(min_size=1, max_size=90) | st.from_regex("[-_abAB]{1,90}", fullmatch=True)


@given(st.lists(st.tuples(BUNDLES, HANDLERS), min_size=2, max_size=2, unique=True))
@example([("a", "b-c"), ("a-b", "c")])
@example([("a", "a-a-b"), ("a-a", "a-b")])
@example([("a", "a" * 80), ("a" * 40, "a" * 80)])
@example([("a", "-a" * 40), ("a-a", "-a" * 40)])
def test_handlers_have_different_valid_names_also_in_different_bundles(
    handlers: list[tuple[str, str]],
) -> None:
    found = [names.subscription(bundle, handler) for bundle, handler in handlers]
    assert len(set(found)) == 2
    assert all(re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in found)
