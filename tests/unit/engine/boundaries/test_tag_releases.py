"""A field becomes a tag in a later release: no decision overlooks an event that lacks it."""

import asyncio

import pytest

from chekov import MemoryStore, NewEvent, Runtime, Scope, TagIndexIncomplete
from chekov.domain.scope import ScopeItem
from chekov.engine.commands.tag_index import TagIndexer
from chekov.serialization.codec import Codec
from chekov.uuid7 import uuid7
from tests.unit.engine.boundaries.tag_releases import (
    Claim,
    NameTaken,
    NewClaimed,
    OldClaim,
    OldRegister,
    Register,
    new,
    old,
)
from tests.waiting import until

BOB = Claim(account="new", name="bob")


async def complete(runtime: Runtime) -> None:
    """Return when everything can be decided by tags."""
    await until(lambda: not runtime.engine.tag_index.incomplete)


async def test_an_old_process_beside_a_new_one_makes_decisions_wait() -> None:
    """It stores names that the new one would not find."""
    store = MemoryStore()
    async with Runtime(new, store=store) as later:
        async with Runtime(old, store=store, node="old") as former:
            await former.dispatch(OldClaim(account="a", name="bob"))
            await until(lambda: later.engine.tag_index.incomplete)
            with pytest.raises(
                TagIndexIncomplete, match=r"old/.* may store some without"
            ) as caught:
                await later.dispatch(BOB)
            assert (caught.value.event, caught.value.kind) == ("Claimed", "name")
            assert any("Claimed" in sentence for sentence in later.engine.troubles)
            await former.dispatch(OldClaim(account="b", name="bob"))
        await complete(later)
        with pytest.raises(NameTaken):
            await later.dispatch(BOB)
        assert not later.engine.troubles
        found = await store.read_scope(Scope((ScopeItem(tags=frozenset({"name:bob"})),)))
        assert [event.position for event in found.events] == [1, 2]


async def test_what_an_old_process_stored_is_found_after_a_restart() -> None:
    store = MemoryStore()
    async with Runtime(old, store=store) as former:
        for n in range(1200):
            await former.dispatch(OldClaim(account=f"a{n}", name=f"n{n}"))
    async with Runtime(new, store=store) as later:
        with pytest.raises((TagIndexIncomplete, NameTaken)):
            await later.dispatch(Claim(account="b", name="n1199"))
        await complete(later)
        assert later.engine.tag_index.remaining == 0
        for n in (0, 500, 1199):
            with pytest.raises(NameTaken):
                await later.dispatch(Claim(account="b", name=f"n{n}"))
        await later.dispatch(BOB)


async def test_personal_tags_are_written_as_hashes_and_go_with_their_subject() -> None:
    store = MemoryStore()
    async with Runtime(old, store=store) as former:
        for account in ("a", "b"):
            await former.dispatch(OldRegister(account=account, email=f"{account}@x"))
        await former.forget("b")
    async with Runtime(new, store=store) as later:
        await complete(later)
        with pytest.raises(NameTaken):
            await later.dispatch(Register(account="c", email="a@x"))
        plain = Scope((ScopeItem(tags=frozenset({"email:a@x"})),))
        assert not (await store.read_scope(plain)).events
        await later.dispatch(Register(account="c", email="b@x"))
        await later.forget("a")
        await later.dispatch(Register(account="d", email="a@x"))


async def test_an_event_that_cannot_be_read_keeps_its_kind_incomplete() -> None:
    """And the sentence says which."""
    store = MemoryStore()
    async with store:
        await store.append("names-a", [NewEvent(uuid7(), "Claimed", b'{"name":1}')])
    async with Runtime(new, store=store) as later:
        tags = later.engine.tag_index
        await until(lambda: any("Claimed at names-a" in each for each in tags.troubles))
        assert tags.remaining == 1
        with pytest.raises(TagIndexIncomplete, match="0 of 1 positions"):
            await later.dispatch(BOB)


async def test_who_returns_without_the_tag_waits_until_all_have_noticed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As long as the others may rely on what they learned, and for what they decide meanwhile."""
    async with MemoryStore() as store:
        now = 0.0

        def indexer(name: str, trust: float) -> TagIndexer:
            domain = new if name == "new" else old
            return TagIndexer(
                domain,
                store,
                store.tag_index,
                Codec(domain),
                name,
                clock=lambda: now,
                trust=trust,
            )

        async def withdrawn() -> bool:
            return any(each.target is None for each in await store.tag_index.kinds())

        later = indexer("new", trust=10)
        await later.prepare()
        wanted = Scope.of(NewClaimed, name="bob")
        await later.check(wanted)
        returning = asyncio.create_task(indexer("old", trust=3600).prepare())
        await until(withdrawn)
        assert not returning.done()
        assert [vars(record)["waits"] for record in caplog.records] == [7200]
        await later.check(wanted)
        now = 10.0
        with pytest.raises(TagIndexIncomplete):
            await later.check(wanted)
        returning.cancel()
        await asyncio.wait([returning])
        await indexer("old", trust=3600).leave()
        now = 20.0
        await later.check(wanted)
