"""Contract of the role `tag_index`: which tags are complete, and writing those that are missing."""

# ruff: noqa: S101 these are tests, for others to run

from collections.abc import Collection, Mapping
from uuid import UUID, uuid4

from chekov.store.port import (
    Attended,
    Key,
    MissingTags,
    Store,
    TagFailure,
    TagKind,
    TagKindState,
)
from chekov.testing.contract.conditions import scope, tagged
from chekov.testing.contract.event_store import event, positions
from chekov.testing.contract.nodes import attending

NAME = TagKind("claimed", "name")
WITH: Mapping[str, Collection[str]] = {"claimed": ["name"]}
WITHOUT: Mapping[str, Collection[str]] = {"claimed": [], "other": []}
BOB = scope((["claimed"], ["name:bob"]))


async def attend(
    store: Store,
    writer: str = "new",
    writes: Mapping[str, Collection[str]] = WITH,
    wanted: Collection[TagKind] = (NAME,),
) -> Attended:
    """Let a process be heard of."""
    return await store.tag_index.attend(writer, "bank", writes, wanted)


async def state(store: Store, writer: str = "new") -> TagKindState:
    """How complete `NAME` is for a process that writes it."""
    [found] = (await attend(store, writer)).kinds
    return found


async def add(
    store: Store, *missing: tuple[int, str], through: int, key: UUID | None = None
) -> bool:
    """Write tags of the events at positions, as the process `new`."""
    found = [
        MissingTags((await store.read_page(after=position - 1, limit=1))[0], [tag], key)
        for position, tag in missing
    ]
    return await store.tag_index.add("new", [NAME], found, through)


class TagIndexContract:
    """Tests of `store.tag_index`."""

    async def test_a_kind_of_events_that_are_not_stored_yet_is_complete(self, store: Store) -> None:
        """All of them will have it."""
        assert await attend(store) == Attended([TagKindState(NAME, 0, 0)], 0, 0)
        await store.append("a", [tagged("claimed", "name:bob")])
        assert await state(store) == TagKindState(NAME, 0, 0)
        assert await store.tag_index.kinds() == [TagKindState(NAME, 0, 0)]
        other = TagKind("other", "name")
        found = await attend(store, wanted=[NAME, other])
        assert found.kinds == [TagKindState(NAME, 0, 0), TagKindState(other, 1, 1)]

    async def test_what_was_stored_before_is_written_by_one_process(self, store: Store) -> None:
        """Page by page, and then the kind is complete."""
        await store.append("a", [event("claimed"), event("claimed"), event("other")])
        assert await state(store) == TagKindState(NAME, 0, 3, owned=True)
        assert await state(store, "second") == TagKindState(NAME, 0, 3)
        assert not await store.tag_index.add("second", [NAME], [], 3)
        assert await add(store, (1, "name:bob"), through=1)
        assert await state(store) == TagKindState(NAME, 1, 3, owned=True)
        assert positions((await store.read_scope(BOB)).events) == [1]
        assert await add(store, (1, "name:bob"), (2, "name:ann"), through=3)
        assert (await state(store)).is_complete
        assert await store.tag_index.kinds() == [TagKindState(NAME, 3, 3)]
        assert positions((await store.read_scope(BOB)).events) == [1]

    async def test_another_process_goes_on_where_one_left(self, store: Store) -> None:
        """It begins at the position that is written."""
        await store.append("a", [event("claimed"), event("claimed")])
        await attend(store)
        assert await add(store, (1, "name:bob"), through=1)
        await store.tag_index.leave("new")
        assert await state(store, "second") == TagKindState(NAME, 1, 2, owned=True)
        assert not await add(store, (2, "name:bob"), through=2)

    async def test_a_process_that_writes_without_the_tag_is_waited_for(self, store: Store) -> None:
        """Complete is what holds from the end of the log after it has left."""
        assert (await attend(store, "old", WITHOUT, ())).withdrawn == 0
        assert await state(store) == TagKindState(NAME, 0, None, ("old",))
        await store.append("a", [event("claimed")])
        assert await state(store) == TagKindState(NAME, 0, None, ("old",), owned=True)
        assert await add(store, (1, "name:ann"), through=1)
        await store.append("b", [event("claimed")])
        await store.tag_index.leave("old")
        assert await state(store) == TagKindState(NAME, 1, 2, owned=True)
        assert await add(store, (2, "name:bob"), through=2)
        assert (await state(store)).is_complete

    async def test_a_process_that_comes_without_the_tag_withdraws_it(self, store: Store) -> None:
        """It is told that others rely on it; who does not write the type changes nothing."""
        await attend(store)
        assert (await attend(store, "third", {"other": []}, ())).withdrawn == 0
        assert (await state(store)).is_complete
        assert (await attend(store, "old", WITHOUT, ())).withdrawn == 1
        assert (await attend(store, "old", WITHOUT, ())).withdrawn == 0
        assert await state(store) == TagKindState(NAME, 0, None, ("old",))
        await store.tag_index.leave("old")
        assert (await state(store)).is_complete

    async def test_nobody_else_needs_no_warning(self, store: Store) -> None:
        """A process that is alone may write what it likes."""
        await attend(store)
        await store.tag_index.leave("new")
        assert (await attend(store, "old", WITHOUT, ())).withdrawn == 0
        assert not (await state(store)).is_complete

    async def test_a_node_of_a_former_release_is_waited_for(self, store: Store) -> None:
        """It says nothing of tags; and it may end its commands after it has left."""
        async with attending(store, "former"), attending(store, "elsewhere", domain="shop"):
            assert await state(store) == TagKindState(NAME, 0, None, ("former",))
        await store.nodes.leave("former")
        assert await state(store) == TagKindState(NAME, 0, None)

    async def test_a_node_that_is_heard_of_is_no_former_release(self, store: Store) -> None:
        """It is both a node and a writer."""
        await attend(store)
        async with attending(store, "new"):
            assert (await state(store)).is_complete

    async def test_tags_of_erased_events_are_not_written(self, store: Store) -> None:
        """They were read before."""
        await store.append("a", [event("claimed")])
        await attend(store)
        [read] = await store.read_page()
        await store.streams.delete("a", erase=True)
        assert await store.tag_index.add("new", [NAME], [MissingTags(read, ["name:bob"])], 1)
        assert not (await store.read_scope(BOB)).events

    async def test_an_event_without_readable_tags_stops_its_type_alone(self, store: Store) -> None:
        """Just before it, and until it can be read; the first one counts."""
        other = TagKind("other", "name")
        await store.append(
            "a", [event(name) for name in ("claimed", "other", "claimed", "claimed")]
        )
        await attend(store, wanted=[NAME, other])
        failed = [TagFailure(4, "claimed", "late"), TagFailure(3, "claimed", "it\0hurts")]
        assert await store.tag_index.add("new", [NAME, other], [], 4, failed)
        claimed, complete = (await attend(store, wanted=[NAME, other])).kinds
        assert complete == TagKindState(other, 4, 4, owned=True)
        assert (claimed.position, claimed.target, claimed.is_complete) == (2, 4, False)
        stopped = claimed.stopped
        assert stopped is not None
        assert (stopped.position, stopped.type) == (3, "claimed")
        assert stopped.error.endswith("hurts")
        assert [each.stopped for each in await store.tag_index.kinds()] == [stopped, None]
        assert await add(store, (3, "name:bob"), through=4)
        assert await state(store) == TagKindState(NAME, 4, 4, owned=True)
        assert positions((await store.read_scope(BOB)).events) == [3]

    async def test_only_where_tags_have_stopped_an_event_can_be_skipped(self, store: Store) -> None:
        """Once; the reason is kept, and later events of the type are found."""
        index = store.tag_index
        await store.append("a", [event("claimed"), event("claimed"), event("claimed")])
        await attend(store)
        failed = [TagFailure(1, "claimed", "broken"), TagFailure(2, "claimed", "broken too")]
        assert await index.skip(1, "why not") is None
        assert await index.add("new", [NAME], [], 3, failed)
        assert await index.skip(2, "not yet") is None
        skipped = await index.skip(1, "nobody\0 claims it")
        assert skipped is not None
        assert (skipped.position, skipped.type, skipped.error) == (1, "claimed", "broken")
        assert skipped.reason.endswith("claims it")
        assert await index.skip(1, "again") is None
        assert await index.skipped() == [skipped]
        assert not (await state(store)).is_complete
        assert await index.add("new", [NAME], [], 3, failed)
        found = await state(store)
        assert (found.position, found.skipped) == (1, 1)
        assert found.stopped == failed[1]
        assert await index.skip(2, "neither") is not None
        assert await index.add("new", [NAME], [], 3, failed)
        assert await state(store) == TagKindState(NAME, 3, 3, owned=True, skipped=2)
        assert await index.kinds() == [TagKindState(NAME, 3, 3, skipped=2)]
        assert [each.position for each in await index.skipped()] == [1, 2]

    async def test_a_skipped_event_is_looked_at_again_when_somebody_asks(
        self, store: Store
    ) -> None:
        """Its kinds are incomplete until then."""
        index = store.tag_index
        await store.append("a", [event("claimed"), event("claimed")])
        await attend(store)
        failed = [TagFailure(1, "claimed", "broken")]
        assert await index.add("new", [NAME], [], 2, failed)
        assert await index.skip(1, "why not") is not None
        assert await index.add("new", [NAME], [], 2, failed)
        assert (await state(store)).is_complete
        assert await index.unskip(1)
        assert not await index.unskip(1)
        assert await index.skipped() == []
        found = await state(store)
        assert (found.position, found.is_complete, found.owned) == (0, False, True)
        assert await add(store, (1, "name:bob"), through=2)
        assert await state(store) == TagKindState(NAME, 2, 2, owned=True)
        assert positions((await store.read_scope(BOB)).events) == [1]

    async def test_nothing_that_is_said_of_an_event_outlives_it(self, store: Store) -> None:
        """An error may quote what was erased; the kinds go on after it."""
        index = store.tag_index
        await store.append("a", [event("claimed"), event("claimed")])
        await store.append("b", [event("claimed")])
        await attend(store)
        failed = [TagFailure(at, "claimed", f"broken: {at}") for at in (1, 2, 3)]
        assert await index.add("new", [NAME], [], 3, failed)
        assert await index.skip(1, "bob is gone") is not None
        assert await index.add("new", [NAME], [], 3, failed)
        assert (await state(store)).stopped == failed[1]
        await store.streams.truncate("a", before=2, erase=True)
        assert await index.skipped() == []
        assert (await state(store)).stopped == failed[1]
        await store.streams.delete("a", erase=True)
        found = await state(store)
        assert (found.position, found.stopped, found.skipped) == (1, None, 0)
        assert [each.stopped for each in await index.kinds()] == [None]
        assert await index.skip(2, "too late") is None
        assert await index.add("new", [NAME], [], 3, failed)
        found = await state(store)
        assert (found.position, found.stopped) == (2, failed[2])

    async def test_tags_are_written_of_all_kinds_or_of_none(self, store: Store) -> None:
        """A kind that went over to another process holds the others up."""
        other = TagKind("other", "name")
        await store.append("a", [event("claimed"), event("other")])
        await attend(store)
        await attend(store, "second", wanted=[NAME, other])
        assert not await store.tag_index.add("new", [NAME, other], [], 2)
        assert [each.position for each in await store.tag_index.kinds()] == [0, 0]
        assert await store.tag_index.add("new", [NAME], [], 2)

    async def test_events_read_before_one_is_looked_at_again_are_not_enough(
        self, store: Store
    ) -> None:
        """Nothing is written up to their end: the one before them has no tags yet."""
        index = store.tag_index
        await store.append("a", [event("claimed"), event("claimed"), event("claimed")])
        await attend(store)
        failed = [TagFailure(1, "claimed", "broken")]
        assert await index.add("new", [NAME], [], 3, failed)
        assert await index.skip(1, "why not") is not None
        assert await index.add("new", [NAME], [], 2, failed)
        assert await index.unskip(1)
        assert not await index.add("new", [NAME], [], 3, after=2)
        found = await state(store)
        assert (found.position, found.is_complete, found.owned) == (0, False, True)
        assert await index.add("new", [NAME], [], 3)

    async def test_hashed_tags_go_with_their_key(self, store: Store) -> None:
        """As those that are stored with their event."""
        key = Key(uuid4(), "ann", b"k" * 32)
        await store.keys.offer_keys([key])
        await store.append("a", [event("claimed")])
        await attend(store)
        assert await add(store, (1, "name#ann"), through=1, key=key.id)
        hashed = scope((["claimed"], ["name#ann"]))
        assert positions((await store.read_scope(hashed)).events) == [1]
        await store.keys.forget_keys(["ann"])
        assert not (await store.read_scope(hashed)).events
