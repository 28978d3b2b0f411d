"""A node that is heard of lives, unless its session was missing twice, half a second apart."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chekov.engine.subscriptions.node_watch import LOOK_SECONDS, NodeWatch
from chekov.engine.subscriptions.shares import Member
from chekov.store.port import Node

OFFERS = frozenset({"mails 1"})
ME = Member("me", OFFERS)


class Nodes:
    """Lists what a test puts there."""

    def __init__(self, *found: Node) -> None:
        self.found: Sequence[Node] = found

    async def list(self, domain: str, *, lease: float) -> Sequence[Node]:
        assert (domain, lease) == ("bank", 5.0)
        return self.found


def node(
    name: str, session: str | None = "7", *, fresh: bool = True, vanished: bool = False
) -> Node:
    return Node(name, OFFERS, session, fresh, vanished)


def watch(*found: Node, clock: Callable[[], float] = lambda: 0.0) -> tuple[NodeWatch, Nodes]:
    nodes: Any = Nodes(*found)
    return NodeWatch(nodes, "bank", ME, lease=5.0, clock=clock), nodes


async def test_it_shares_with_itself_before_it_is_listed() -> None:
    looking, nodes = watch()
    assert not await looking.look()
    assert looking.alone
    nodes.found = [node("other")]
    assert await looking.look()
    assert [item.id for item in looking.living] == ["other", "me"]
    assert not looking.alone
    nodes.found = [node("me"), node("other")]
    await looking.look()
    assert [item.id for item in looking.living] == ["me", "other"]


async def test_one_that_is_not_heard_of_does_not_count() -> None:
    looking, nodes = watch(node("me"), node("other"))
    assert await looking.look()
    assert not await looking.look()
    nodes.found = [node("me"), node("other", fresh=False)]
    assert await looking.look()
    assert looking.living == [ME]
    assert not looking.vanished


async def test_it_always_counts_itself() -> None:
    looking, _ = watch(node("me", fresh=False, vanished=True), node("other"))
    await looking.look()
    assert [item.id for item in looking.living] == ["me", "other"]


async def test_one_whose_session_is_missing_twice_has_vanished() -> None:
    clock = [0.0]
    looking, nodes = watch(node("me"), node("other"), clock=lambda: clock[0])
    await looking.look()
    nodes.found = [node("me"), node("other", vanished=True)]
    for clock[0] in (1.0, 1.0 + LOOK_SECONDS / 2):
        assert not await looking.look()
        assert len(looking.living) == 2
    clock[0] = 1.0 + LOOK_SECONDS
    assert await looking.look()
    assert (looking.living, looking.vanished) == ([ME], ["other"])


@pytest.mark.parametrize("between", [node("other"), node("other", "8", vanished=True)])
async def test_one_that_has_a_session_again_begins_anew(between: Node) -> None:
    clock = [0.0]
    looking, nodes = watch(node("me"), node("other", vanished=True), clock=lambda: clock[0])
    await looking.look()
    clock[0] = LOOK_SECONDS / 2
    nodes.found = [node("me"), between]
    await looking.look()
    clock[0] = LOOK_SECONDS
    nodes.found = [node("me"), node("other", "8", vanished=True)]
    await looking.look()
    assert not looking.vanished
    clock[0] = LOOK_SECONDS * 2
    await looking.look()
    assert looking.vanished == ["other"]
