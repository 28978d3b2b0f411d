"""Two domains on one store must not write the streams of the same identity."""

import pytest

from chekov import Context, Domain, EventHandler, IdentityTaken, MemoryStore, Runtime, handle
from chekov.engine.subscriptions.shares import identities_of, identity_offers
from tests.unit.domain.test_composition import Ordered, Orders, Shelf

LEASE = 3600.0


class Watching(EventHandler, name="watching"):
    @handle
    async def ordered(self, event: Ordered, context: Context) -> None:
        pass


def test_what_a_node_says_of_its_identities_is_read_back() -> None:
    offers = identity_offers(["order", "a b"]) | {"mails 1", "reads Ordered"}
    assert identities_of(offers) == {"order", "a b"}


async def test_an_identity_that_another_domain_has_is_refused() -> None:
    store = MemoryStore()
    await store.nodes.join("pod-1/7", "orders", identity_offers(["order"]), lease=LEASE)
    with pytest.raises(IdentityTaken, match="'shop' and 'orders' both have an aggregate") as taken:
        async with Runtime(Domain("shop", aggregates=[Shelf, Orders]), store=store):
            pass
    assert (taken.value.identity, taken.value.domain) == ("order", "shop")
    assert taken.value.other == "orders"


async def test_other_identities_and_the_same_domain_are_not() -> None:
    for domain in (Domain("shop", aggregates=[Shelf]), Domain("orders", aggregates=[Orders])):
        store = MemoryStore()
        await store.nodes.join("pod-1/7", "orders", identity_offers(["order"]), lease=LEASE)
        async with Runtime(domain, store=store) as runtime:
            assert runtime.healthy


async def test_a_process_says_which_identities_it_has_and_takes_them_with_it() -> None:
    store = MemoryStore()
    domain = Domain("orders", aggregates=[Orders], handlers=[Watching()])
    async with Runtime(domain, store=store):
        [node] = await store.nodes.list(None, lease=LEASE)
        assert (node.domain, identities_of(node.offers)) == ("orders", {"order"})
    assert await store.nodes.list(None, lease=LEASE) == []


async def test_a_process_that_is_gone_has_none() -> None:
    store = MemoryStore()
    await store.nodes.join("pod-1/7", "orders", identity_offers(["order"]), lease=LEASE)
    await store.nodes.leave("pod-1/7")
    async with Runtime(Domain("shop", aggregates=[Orders]), store=store) as runtime:
        assert runtime.healthy
