"""How many pods each revision gets next."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov_operator.controllers.bundle.pod_counts import Limits, Pods, growth, next_counts


def limits(replicas: int, surge: int = 1, unavailable: int = 0, share: int | None = None) -> Limits:
    return Limits(replicas, surge, unavailable, replicas if share is None else share)


def ready(**pods: int) -> dict[str, Pods]:
    """Revisions all of whose pods are ready."""
    return {name: Pods(count, count) for name, count in pods.items()}


@pytest.mark.parametrize(
    ("now", "allowed", "expected"),
    [
        ({}, limits(3), {"new": 3}),
        (ready(old=0), limits(3), {"new": 3, "old": 0}),
        (ready(old=3), limits(3), {"new": 1, "old": 3}),
        ({"old": Pods(3, 3), "new": Pods(1, 0)}, limits(3), {"new": 1, "old": 3}),
        (ready(old=3, new=1), limits(3), {"new": 1, "old": 2}),
        (ready(old=2, new=1), limits(3), {"new": 2, "old": 2}),
        (ready(old=1, new=3), limits(3), {"new": 3, "old": 0}),
        (ready(old=3), limits(3, surge=3), {"new": 3, "old": 3}),
        (ready(old=3), limits(3, surge=0, unavailable=1), {"new": 0, "old": 2}),
        (ready(old=2, new=0), limits(3, surge=0, unavailable=1), {"new": 1, "old": 2}),
        (ready(old=10), limits(10, share=2), {"new": 1, "old": 10}),
        (ready(old=8, new=2), limits(10, share=2), {"new": 2, "old": 8}),
        (ready(old=8, new=2), limits(20, share=4), {"new": 4, "old": 16}),
        (ready(old=3), limits(0), {"new": 0, "old": 0}),
        (ready(bad=1, old=3), limits(3), {"new": 0, "bad": 0, "old": 3}),
        (ready(bad=0, old=3, new=1), limits(3), {"new": 1, "bad": 0, "old": 2}),
    ],
    ids=[
        "the first revision is there at once",
        "nothing waits for a revision without pods",
        "it begins with one pod",
        "a pod that is not ready takes nobody's place",
        "a pod that is ready does",
        "there is room for the next",
        "in the end it has all",
        "a surge of all makes all at once",
        "without a surge the old one shrinks first",
        "and then the new one grows",
        "a share is reached pod by pod",
        "a share is kept",
        "a share grows with the bundle, and so does the rest",
        "no pods are wanted",
        "what was not rolled out shrinks first",
        "and the last that was, last",
    ],
)
def test_next_counts(now: Mapping[str, Pods], allowed: Limits, expected: dict[str, int]) -> None:
    assert next_counts("new", now, allowed) == expected


@given(
    replicas=st.integers(0, 20),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    old=st.integers(0, 20),
    older=st.integers(0, 5),
)
def test_a_rollout_ends_and_keeps_its_limits_all_the_way(
    replicas: int, surge: int, unavailable: int, old: int, older: int
) -> None:
    allowed = limits(replicas, surge + (surge == unavailable == 0), unavailable)
    counts = {"older": older, "old": old}
    most = max(replicas + allowed.surge, old + older)
    least = min(replicas - unavailable, old + older)
    for _ in range(200):
        after = next_counts("new", ready(**counts), allowed)
        if after == counts:
            break
        counts = after
        assert least <= sum(counts.values()) <= most or not old + older
    assert counts == {"new": replicas, "older": 0, "old": 0}


def test_held_pods_stay_as_far_as_there_is_room() -> None:
    held = Limits(replicas=4, surge=1, unavailable=0, share=2, held=True)
    now = {"old": Pods(3, 3), "new": Pods(2, 2)}
    assert next_counts("new", now, held) == {"new": 2, "old": 3}, "although one could go"
    fewer = Limits(replicas=2, surge=1, unavailable=0, share=2, held=True)
    assert next_counts("new", now, fewer) == {"new": 2, "old": 1}
    more = Limits(replicas=8, surge=1, unavailable=0, share=2, held=True)
    assert next_counts("new", now, more) == {"new": 2, "old": 6}, "what serves well grows"


@pytest.mark.parametrize(
    ("now", "allowed", "most", "expected"),
    [
        ({}, limits(5), 2, {"new": 2}),
        (ready(old=3), limits(3, surge=3), 1, {"new": 1, "old": 3}),
        (ready(old=3), limits(3), 0, {"new": 0, "old": 3}),
        (ready(old=3, new=1), limits(3), 0, {"new": 1, "old": 2}),
        (ready(old=2, new=0), limits(3, surge=0, unavailable=1), 0, {"new": 0, "old": 2}),
        (ready(old=8, new=2), limits(20, share=4), 3, {"new": 4, "old": 9}),
    ],
    ids=[
        "the first revision grows as far as there is room",
        "a surge is as large as there is room",
        "without room nothing grows",
        "and what is replaced goes all the same",
        "what went before does not come back",
        "the new revision grows first",
    ],
)
def test_not_more_pods_are_made_than_there_may_be(
    now: Mapping[str, Pods], allowed: Limits, most: int, expected: dict[str, int]
) -> None:
    counts = next_counts("new", now, replace(allowed, growth=most))
    assert counts == expected
    assert growth(counts, now) <= most
