"""A field becomes a tag in a later release: no decision overlooks an event that lacks it."""

import asyncio

import pytest

from chekov import MemoryStore, NewEvent, Runtime, Scope, TagIndexIncomplete
from chekov.domain.scope import ScopeItem
from chekov.engine.commands import tag_index
from chekov.engine.commands.tag_index import TagIndexer
from chekov.serialization.codec import Codec
from chekov.uuid7 import uuid7
from tests.unit.engine.boundaries.tag_releases import (
    Claim,
    LenientClaim,
    NameTaken,
    NewClaimed,
    OldClaim,
    OldRegister,
    Register,
    lenient,
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


async def with_an_unreadable_claim(store: MemoryStore) -> None:
    """Store a claim that nothing can read, among others that lack their tags."""
    async with Runtime(old, store=store) as former:
        await former.dispatch(OldClaim(account="a", name="ann"))
        unreadable = NewEvent(uuid7(), "Claimed", b'{"account":"b","name":1}')
        await store.append("names-b", [unreadable])
        await former.dispatch(OldClaim(account="c", name="bob"))
        await former.dispatch(OldRegister(account="d", email="d@x"))


async def test_an_event_that_cannot_be_read_keeps_its_type_incomplete(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And the sentence says which; the tags of other types are written."""
    store = MemoryStore()
    await with_an_unreadable_claim(store)
    async with Runtime(new, store=store) as later:
        tags = later.engine.tag_index
        await until(lambda: any("event at position 2 cannot" in each for each in tags.troubles))
        assert tags.remaining == 3
        with pytest.raises(TagIndexIncomplete, match="event at position 2 cannot be made"):
            await later.dispatch(BOB)
        with pytest.raises(NameTaken):
            await later.dispatch(Register(account="e", email="d@x"))
    states = {each.tag.type: each for each in await store.tag_index.kinds()}
    stopped = states["Claimed"].stopped
    assert stopped is not None
    assert "Claimed at names-b version 1 cannot be decoded" in stopped.error
    assert states["Registered"].is_complete
    (record,) = [each for each in caplog.records if "tags of an event" in each.message]
    assert record.__dict__["position"] == 2


async def test_decisions_overlook_an_event_that_is_skipped_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tag_index, "_LOOK_SECONDS", 0.01)
    store = MemoryStore()
    await with_an_unreadable_claim(store)
    async with Runtime(new, store=store) as later:
        tags = later.engine.tag_index
        await until(lambda: any(each.stopped for each in tags.incomplete))
        assert await store.tag_index.skip(2, "nobody claims it")
        await complete(later)
        with pytest.raises(NameTaken):
            await later.dispatch(BOB)
        await later.dispatch(Claim(account="e", name="eve"))
        assert await store.tag_index.unskip(2)
        await until(lambda: any(each.stopped for each in tags.incomplete))
        with pytest.raises(TagIndexIncomplete, match="event at position 2"):
            await later.dispatch(Claim(account="f", name="fay"))


async def test_code_that_reads_the_event_goes_on() -> None:
    store = MemoryStore()
    await with_an_unreadable_claim(store)
    async with Runtime(new, store=store) as former:
        await until(lambda: any(each.stopped for each in former.engine.tag_index.incomplete))
    async with Runtime(lenient, store=store) as later:
        await complete(later)
        for name in ("ann", 1, "bob"):
            with pytest.raises(NameTaken):
                await later.dispatch(LenientClaim(account="e", name=name))


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
