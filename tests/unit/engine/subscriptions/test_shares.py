"""Subscriptions are shared fairly, stay where they are if they may, and all of them run."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov.engine.subscriptions.shares import Member, assign, offer_of, revision_offers
from chekov.serialization.revisions import Revisions
from chekov.store.port import SubscriptionKey

KEYS = tuple(
    SubscriptionKey("bank", name, partition=partition)
    for name in ("balances", "mails", "sums")
    for partition in range(3)
)
OFFERS = sorted({offer_of(key) for key in KEYS})
NAMES = ("a", "b", "c", "d")


def member(name: str, *offers: str) -> Member:
    return Member(name, frozenset(offers or OFFERS))


def counts(keys: int, members: str, owner: str | None = None) -> list[int]:
    assigned = assign(dict.fromkeys(KEYS[:keys], owner), [member(name) for name in members])
    return sorted(Counter(assigned.values()).values(), reverse=True)


@pytest.mark.parametrize("owner", [None, "a", "gone"])
def test_the_shares_differ_by_one_at_most(owner: str | None) -> None:
    assert counts(6, "ab", owner) == [3, 3]
    assert counts(8, "abc", owner) == [3, 3, 2]
    assert counts(4, "abc", owner) == [2, 1, 1]
    assert counts(2, "abc", owner) == [1, 1]
    assert counts(9, "a", owner) == [9]


def test_a_subscription_that_one_node_alone_can_run_is_run_by_it() -> None:
    newer = SubscriptionKey("bank", "balances", version=2)
    owners = {**dict.fromkeys(KEYS, "old"), newer: None}
    assigned = assign(owners, [member("old"), member("new", *OFFERS, offer_of(newer))])
    assert assigned[newer] == "new"
    assert Counter(assigned.values()) == {"old": 5, "new": 5}


def reading(name: str, *events: str) -> Member:
    return member(name, *OFFERS, *revision_offers(Revisions(events)))


@pytest.mark.parametrize("newer", [["paid@2"], ["paid", "paid@2"], ["paid", "rated"]])
def test_the_nodes_that_read_newer_events_share_everything(newer: list[str]) -> None:
    members = [
        reading("a", "paid"),
        reading("b", *newer),
        reading("c", "paid"),
        reading("d", *newer),
    ]
    for owner in (None, "a", "b", "gone"):
        assigned = assign(dict.fromkeys(KEYS, owner), members)
        assert sorted(Counter(assigned.values()).items()) in (
            [("b", 4), ("d", 5)],
            [("b", 5), ("d", 4)],
        )
        assert assign(assigned, members) == assigned


def test_what_newer_nodes_do_not_run_stays_with_older_ones() -> None:
    only_mails = member("b", "mails 1", *revision_offers(Revisions(["paid@2"])))
    assigned = assign(dict.fromkeys(KEYS, None), [reading("a", "paid"), only_mails])
    assert {node for key, node in assigned.items() if key.name == "mails"} == {"b"}
    assert {node for key, node in assigned.items() if key.name != "mails"} == {"a"}


def test_of_nodes_that_both_read_what_the_other_does_not_the_later_one_is_newer() -> None:
    one, other = reading("a", "paid", "dropped"), reading("b", "paid", "added")
    owners = dict.fromkeys(KEYS, "a")
    assert set(assign(owners, [one, other]).values()) == {"b"}
    assert set(assign(owners, [other, one]).values()) == {"a"}


def test_one_that_nobody_offers_is_left_alone() -> None:
    assert assign(dict.fromkeys(KEYS, None), [member("a", "mails 2")]) == {}
    assert assign(dict.fromkeys(KEYS, "a"), []) == {}


MEMBERS = st.lists(
    st.builds(member, st.sampled_from(NAMES), st.sampled_from(OFFERS), st.sampled_from(OFFERS)),
    unique_by=lambda item: item.id,
    max_size=4,
)
OWNERS = st.fixed_dictionaries({key: st.sampled_from((None, "gone", *NAMES)) for key in KEYS})


@given(OWNERS, MEMBERS)
def test_whatever_can_be_run_is_run_by_a_node_that_can(
    owners: dict[SubscriptionKey, str | None], members: list[Member]
) -> None:
    assigned = assign(owners, members)
    by_id = {item.id: item for item in members}
    assert assigned.keys() == {
        key for key in owners if any(offer_of(key) in item.offers for item in members)
    }
    assert all(offer_of(key) in by_id[node].offers for key, node in assigned.items())


@given(OWNERS, MEMBERS)
def test_the_answer_stays_once_it_is_followed(
    owners: dict[SubscriptionKey, str | None], members: list[Member]
) -> None:
    followed = assign(owners, members)
    for _ in range(4):
        again = assign({**owners, **followed}, members)
        if again == followed:
            return
        followed = again
    raise AssertionError("subscriptions move for ever")


@given(OWNERS, st.integers(1, 4))
def test_equal_nodes_have_equal_shares_and_move_no_more_than_that_needs(
    owners: dict[SubscriptionKey, str | None], number: int
) -> None:
    members = [member(name) for name in NAMES[:number]]
    assigned = assign(owners, members)
    shares = Counter(assigned.values())
    assert max(shares.values()) - min(shares[item.id] for item in members) <= 1
    held = Counter(owner for owner in owners.values() if owner in NAMES[:number])
    moved = sum(owners[key] in held and owners[key] != node for key, node in assigned.items())
    part, rest = divmod(len(KEYS), number)
    surplus = sorted((max(0, held[item.id] - part) for item in members), reverse=True)
    assert moved <= sum(surplus) - sum(1 for item in surplus[:rest] if item)
