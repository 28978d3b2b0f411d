"""Contract of the role `nodes`: which processes run subscriptions, and which are gone."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from chekov.store.port import Node, Store

LONG = 3600.0
_PATIENCE = 30.0


@asynccontextmanager
async def attending(
    store: Store,
    node: str = "one",
    *,
    domain: str = "bank",
    lease: float = LONG,
    well: Callable[[], bool] = lambda: True,
) -> AsyncGenerator[None]:
    """The node, present; afterwards its session is gone and its row is still there."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(
        store.nodes.attend(node, domain, ["mails 1", "sums 2"], lease=lease, well=well)
    )
    try:
        await _until(store, lambda found: node in _present(found), domain)
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _until(
    store: Store, condition: Callable[[Sequence[Node]], bool], domain: str = "bank"
) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not condition(await store.nodes.list(domain, lease=LONG)):  # noqa: ASYNC110 no event
            await asyncio.sleep(0.01)


def _present(found: Sequence[Node]) -> Sequence[str]:
    return [node.id for node in found if not node.vanished]


class NodesContract:
    """Tests of `store.nodes`."""

    async def test_a_node_is_listed_with_what_it_offers(self, store: Store) -> None:
        """In the order of joining, and in its own domain only."""
        async with attending(store, "two"), attending(store, "one"):
            async with attending(store, "three", domain="shop"):
                found = await store.nodes.list("bank", lease=LONG)
                everybody = await store.nodes.list(None, lease=LONG)
            assert [(node.id, node.domain) for node in everybody] == [
                ("two", "bank"),
                ("one", "bank"),
                ("three", "shop"),
            ]
            assert [(node.id, node.offers) for node in found] == [
                ("two", {"mails 1", "sums 2"}),
                ("one", {"mails 1", "sums 2"}),
            ]
            assert all(node.fresh and not node.vanished for node in found)

    async def test_one_that_has_joined_is_listed_at_once(self, store: Store) -> None:
        """And those who wait for subscriptions are woken; it keeps its place when it attends."""
        seen = await store.wait("subscriptions", 0, 0)
        await store.nodes.join("two", "bank", ["mails 1"], lease=LONG)
        [joined] = await store.nodes.list("bank", lease=LONG)
        assert (joined.id, joined.offers, joined.fresh) == ("two", {"mails 1"}, True)
        assert not joined.vanished
        assert await store.wait("subscriptions", seen, _PATIENCE) > seen
        async with attending(store, "one"), attending(store, "two"):
            found = await store.nodes.list("bank", lease=LONG)
            assert [node.id for node in found] == ["two", "one"]

    async def test_one_that_leaves_is_gone(self, store: Store) -> None:
        """Also one that never was a node."""
        async with attending(store):
            pass
        await store.nodes.leave("one")
        await store.nodes.leave("one")
        assert not await store.nodes.list("bank", lease=LONG)

    async def test_joining_and_leaving_wake_those_who_wait_for_subscriptions(
        self, store: Store
    ) -> None:
        """Since the shares have changed."""
        seen = await store.wait("subscriptions", 0, 0)
        async with attending(store):
            joined = await store.wait("subscriptions", seen, _PATIENCE)
            assert joined > seen
        await store.nodes.leave("one")
        assert await store.wait("subscriptions", joined, _PATIENCE) > joined

    async def test_one_that_is_not_heard_of_is_not_fresh(self, store: Store) -> None:
        """Since it does not do its work, or is stopped."""
        async with attending(store, lease=0.03, well=lambda: False), asyncio.timeout(_PATIENCE):
            while (await store.nodes.list("bank", lease=0.2))[0].fresh:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            [node] = await store.nodes.list("bank", lease=LONG)
            assert (node.fresh, node.vanished) == (True, False)

    async def test_one_that_is_well_is_heard_of_again_and_again(self, store: Store) -> None:
        """Three times in its lease."""
        asked = 0

        def well() -> bool:
            nonlocal asked
            asked += 1
            return True

        async with attending(store, lease=0.03, well=well):
            await _until(store, lambda _: asked > 5)
            assert _present(await store.nodes.list("bank", lease=LONG)) == ["one"]


class NodeSessionsContract:
    """Tests of `store.nodes` for stores whose nodes have a session, which no pooler lends them."""

    async def test_each_node_has_a_session_of_its_own(self, store: Store) -> None:
        """By which its end shows."""
        async with attending(store, "two"), attending(store, "one"):
            one, two = await store.nodes.list("bank", lease=LONG)
            assert None not in (one.session, two.session)
            assert one.session != two.session

    async def test_the_end_of_its_session_shows(self, store: Store) -> None:
        """At once, although its lease runs on; and it can come back."""
        async with attending(store):
            [before] = await store.nodes.list("bank", lease=LONG)
        await _until(store, lambda found: not _present(found))
        [gone] = await store.nodes.list("bank", lease=LONG)
        assert (gone.id, gone.session, gone.fresh) == ("one", before.session, True)
        async with attending(store):
            [back] = await store.nodes.list("bank", lease=LONG)
            assert back.session != before.session
            assert not back.vanished
