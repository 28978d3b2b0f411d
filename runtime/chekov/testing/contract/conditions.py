"""Contract of the role `events`: tags, scopes, and appends with conditions."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from chekov.domain.event_filter import EventFilter
from chekov.domain.scope import Scope, ScopeItem
from chekov.errors import (
    DuplicateCommand,
    InvalidAppend,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.serialization.conditions import kept_condition
from chekov.store.port import (
    Appended,
    ConditionAhead,
    ConditionFailed,
    Found,
    Key,
    NewEvent,
    NoneSince,
    Store,
    StreamAppend,
)
from chekov.testing.contract.event_store import caused, event, positions

CAPACITY = 3
ODD = ["it's:{}", 'a"b,', "ä\\", '{"}\\"', "\n\x1f", "🐘:1", "x" * 1000, " ", "null", '","']


def tagged(type_: str, *tags: str, key: UUID | None = None) -> NewEvent:
    """An event with tags."""
    return NewEvent(uuid4(), type_, b"{}", tags=tags, tag_key=key)


def scope(*items: tuple[Sequence[str], Sequence[str]]) -> Scope:
    """The scope of items, each with its types and its tags."""
    return Scope(
        tuple(ScopeItem(types=frozenset(types), tags=frozenset(tags)) for types, tags in items)
    )


COURSE = scope((["defined", "subscribed"], ["course:1"]))
ANYTHING_OF_COURSE = scope(([], ["course:1"]))


async def subscribe(store: Store, student: int, barriers: Sequence[asyncio.Barrier]) -> bool:
    """Subscribe a student to course 1 by a decision that its capacity limits."""
    wanted = COURSE | scope((["subscribed"], [f"student:{student}"]))
    while True:
        if barriers:
            await barriers[0].wait()
        found = await store.read_scope(wanted)
        if barriers:
            await barriers[1].wait()
            barriers = ()
        taken = sum(item.type == "subscribed" for item in found.events)
        if taken >= CAPACITY:
            return False
        try:
            await store.append(
                f"enrolment-{student}",
                [tagged("subscribed", "course:1", f"student:{student}")],
                condition=NoneSince(wanted, found.through),
            )
        except ConditionFailed:
            continue
        return True


class ConditionsContract:
    """Tests of what an append may demand of events and streams that it does not write."""

    async def test_a_scope_finds_events_by_type_and_tags(self, store: Store) -> None:
        """Any of its items, all tags of an item, in the order of the log."""
        await store.append("a", [tagged("defined", "course:1"), tagged("other", "course:1")])
        await store.append("b", [tagged("subscribed", "course:1", "student:7")])
        await store.append("b", [tagged("subscribed", "course:2", "student:7"), event("defined")])
        log = await store.read_page()
        assert await store.read_scope(COURSE) == Found([log[0], log[2]], 5, log[4].id)
        for wanted, expected in (
            (ANYTHING_OF_COURSE, [1, 2, 3]),
            (scope(([], ["course:2", "student:7"])), [4]),
            (scope(([], ["course:2", "course:1"])), []),
            (scope((["defined"], [])), [1, 5]),
            (scope((["defined", "subscribed"], [])), [1, 3, 4, 5]),
            (scope((["defined"], []), ([], ["student:7"])), [1, 3, 4, 5]),
            (scope((["defined"], ["student:7"])), []),
            (scope((["never"], []), ([], ["never:1"])), []),
        ):
            found = await store.read_scope(wanted)
            assert (positions(found.events), found.through) == (expected, 5)

    async def test_a_scope_is_read_in_pages(self, store: Store) -> None:
        """A full page goes through its last event, another one through the end of the log."""
        await store.append("a", [tagged("t", "k:1") for _ in range(5)])
        await store.append("b", [event()])
        wanted = scope(([], ["k:1"]), (["t"], []))
        for after, limit, expected, through in (
            (0, 2, [1, 2], 2),
            (2, 3, [3, 4, 5], 5),
            (5, 3, [], 6),
            (3, 9, [4, 5], 6),
            (9, 9, [], 9),
            (1, 0, [], 1),
        ):
            found = await store.read_scope(wanted, after=after, limit=limit)
            assert (positions(found.events), found.through) == (expected, through)
        assert (await store.read_scope(scope((["x"], [])), after=-3)).through == 6

    async def test_an_empty_log_has_no_scope(self, store: Store) -> None:
        """And the first append may depend on that."""
        assert await store.read_scope(COURSE) == Found([], 0)
        await store.append("a", [event("defined")], condition=NoneSince(COURSE, 0))

    async def test_an_append_is_refused_after_an_event_in_scope(self, store: Store) -> None:
        """The error names the first one; what is not in scope does not matter."""
        await store.append("a", [tagged("defined", "course:1"), tagged("subscribed", "course:2")])
        with pytest.raises(ConditionFailed) as caught:
            await store.append("b", [event()], condition=NoneSince(COURSE, 0))
        assert (caught.value.position, caught.value.type) == (1, "defined")
        with pytest.raises(ConditionFailed):
            await store.append("b", [event()], condition=NoneSince(scope((["defined"], [])), 0))
        await store.append("b", [event()], condition=NoneSince(COURSE, 1))
        both = scope((["never"], ["course:1"]), (["subscribed"], ["course:2"]))
        with pytest.raises(ConditionFailed) as caught:
            await store.append("c", [event(), event()], condition=NoneSince(both, 1))
        assert (caught.value.position, caught.value.type) == (2, "subscribed")
        assert await store.head() == 3
        with pytest.raises(StreamNotFound):
            await store.streams.info("c")

    async def test_all_tags_of_an_item_must_be_on_one_event(self, store: Store) -> None:
        """Several tags, of one kind too."""
        await store.append("a", [tagged("t", "k:1"), tagged("t", "k:2"), tagged("t", "k:1", "k:3")])
        await store.append("b", [event()], condition=NoneSince(scope(([], ["k:1", "k:2"])), 0))
        with pytest.raises(ConditionFailed) as caught:
            await store.append("b", [event()], condition=NoneSince(scope(([], ["k:3", "k:1"])), 0))
        assert caught.value.position == 3

    async def test_a_position_beyond_the_log_is_refused(self, store: Store) -> None:
        """It was read from a log that held more."""
        await store.append("a", [event()])
        with pytest.raises(ConditionAhead) as caught:
            await store.append("b", [event()], condition=NoneSince(COURSE, 2))
        assert (caught.value.position, caught.value.head) == (2, 1)
        await store.append("b", [event()], condition=NoneSince(COURSE, 1))

    async def test_streams_that_are_not_written_can_be_guarded(self, store: Store) -> None:
        """By their versions; 0 for one that does not exist."""
        await store.append("account-7", [event(), event()])
        await store.append("b", [event()], unchanged={"account-7": 2, "account-8": 0})
        for unchanged, actual in (({"account-7": 1}, 2), ({"account-7": 2, "b": 0}, 1)):
            with pytest.raises(WrongExpectedVersion) as caught:
                await store.append("c", [event()], unchanged=unchanged)
            assert caught.value.actual == actual
        await store.streams.delete("account-7")
        with pytest.raises(WrongExpectedVersion):
            await store.append("c", [event()], unchanged={"account-7": 2})
        assert await store.head() == 4

    async def test_a_condition_joins_the_other_demands_of_an_append(self, store: Store) -> None:
        """A repeated command and a deleted stream come first, the version last."""
        command = uuid4()
        await store.append("a", [caused(command)._replace(tags=("course:1",))])
        await store.append("gone", [event()])
        await store.streams.delete("gone")
        failing = NoneSince(ANYTHING_OF_COURSE, 0)
        with pytest.raises(DuplicateCommand):
            await store.append("a", [caused(command)], command_id=command, condition=failing)
        with pytest.raises(StreamDeleted):
            await store.append("gone", [event()], condition=failing)
        with pytest.raises(ConditionFailed):
            await store.append("a", [event()], expected=5, condition=failing)
        holding = NoneSince(ANYTHING_OF_COURSE, 3)
        with pytest.raises(WrongExpectedVersion):
            await store.append("a", [event()], expected=5, condition=holding)
        with pytest.raises(WrongExpectedVersion):
            await store.append("a", [event()], expected=5, unchanged={"new": 0})
        await store.append("a", [event()], expected=1, condition=holding, unchanged={"new": 0})

    async def test_appends_that_are_stored_together_share_a_condition(self, store: Store) -> None:
        """All of them or none."""
        await store.append("x", [tagged("subscribed", "course:1")])
        pair = [
            StreamAppend("a", [tagged("t", "k:1")]),
            StreamAppend("b", [tagged("t", "k:2"), tagged("t", "k:1")]),
        ]
        with pytest.raises(ConditionFailed):
            await store.append_together(pair, condition=NoneSince(COURSE, 0))
        with pytest.raises(WrongExpectedVersion):
            await store.append_together(pair, unchanged={"x": 0})
        assert await store.head() == 1
        await store.append_together(pair, condition=NoneSince(COURSE, 1), unchanged={"x": 1})
        assert positions((await store.read_scope(scope(([], ["k:1"])))).events) == [2, 4]

    async def test_a_scope_is_read_on_in_the_log_that_it_was_read_in(self, store: Store) -> None:
        """Otherwise what was read may be gone, with other events in its place."""
        await store.append("a", [tagged("defined", "course:1") for _ in range(3)])
        ids = [item.id for item in await store.read_page()]
        page = await store.read_scope(COURSE, limit=2)
        assert (page.through, page.anchor) == (2, ids[1])
        rest = await store.read_scope(COURSE, after=2, anchor=page.anchor, limit=2)
        assert (positions(rest.events), rest.through, rest.anchor) == ([3], 3, ids[2])
        for after, anchor in ((2, ids[0]), (3, uuid4()), (4, ids[2])):
            with pytest.raises(ConditionAhead):
                await store.read_scope(COURSE, after=after, anchor=anchor)

    async def test_a_condition_is_about_the_log_that_was_read(self, store: Store) -> None:
        """Not about another one that has grown beyond its position."""
        await store.append("a", [event(), event()])
        first, second = [item.id for item in await store.read_page()]
        for position, anchor in ((1, second), (2, first), (1, uuid4()), (3, uuid4())):
            with pytest.raises(ConditionAhead):
                await store.append("b", [event()], condition=NoneSince(COURSE, position, anchor))
        for anchor in (first, None):
            await store.append("b", [event()], condition=NoneSince(COURSE, 1, anchor))
        head = (await store.read_page())[-1]
        condition = NoneSince(COURSE, head.position, head.id)
        assert (await store.append("c", [event()], condition=condition)).position == 5

    async def test_the_condition_is_kept_with_the_first_event(self, store: Store) -> None:
        """Beside its metadata, so that it can be checked again."""
        given = tagged("t", "k:1")._replace(metadata=b' {"by": "me"}')
        await store.append("a", [event(), event()])
        await store.append(
            "a", [given, event()], condition=NoneSince(COURSE, 1), unchanged={"b": 0}
        )
        first, second = (await store.read_page(after=2))[:2]
        kept = kept_condition(first.metadata)
        assert kept is not None
        assert (kept.after, kept.as_scope(), kept.unchanged) == (1, COURSE, {"b": 0})
        assert first.metadata is not None
        assert first.metadata.startswith(b'{"by": "me",')
        assert second.metadata is None
        [plain] = await store.read_page(limit=1)
        assert kept_condition(plain.metadata) is None

    async def test_a_kept_condition_hides_no_cause(self, store: Store) -> None:
        """An event is found by what led to its command, whether it keeps a condition or not."""
        cause = uuid4()
        metadata = b'{"$caused_by":"%s","by":"me"}' % str(cause).encode()
        given = tagged("t", "k:1")._replace(metadata=metadata)
        await store.append("a", [given], condition=NoneSince(COURSE, 0))
        await store.append("b", [given._replace(id=uuid4())])
        found = await store.read_page(filter=EventFilter(caused_by=cause))
        assert positions(found) == [1, 2]
        kept = kept_condition(found[0].metadata)
        assert kept is not None
        assert kept.as_scope() == COURSE

    async def test_erasing_removes_tags(self, store: Store) -> None:
        """What was taken by an erased event is free; a deleted stream still counts."""
        name = scope(([], ["name:bob"]))
        await store.append("a", [tagged("claimed", "name:bob"), event(), tagged("t", "name:bob")])
        await store.streams.truncate("a", before=2)
        assert positions((await store.read_scope(name)).events) == [1, 3]
        await store.streams.truncate("a", before=3, erase=True)
        assert positions((await store.read_scope(name)).events) == [3]
        await store.streams.delete("a")
        with pytest.raises(ConditionFailed):
            await store.append("b", [event()], condition=NoneSince(name, 0))
        await store.streams.delete("a", erase=True)
        assert not (await store.read_scope(name)).events
        await store.append("b", [tagged("claimed", "name:bob")], condition=NoneSince(name, 0))

    async def test_a_hashed_tag_goes_with_its_key(self, store: Store) -> None:
        """Other tags of the event stay."""
        keys = [Key(uuid4(), subject, b"k" * 32) for subject in ("ann", "bob")]
        await store.keys.offer_keys(keys)
        for key in keys:
            tags = (f"name#{key.subject}", "kind:person", "note:#1")
            await store.append(key.subject, [tagged("claimed", *tags, key=key.id)])
        await store.append("other", [tagged("claimed", "name#ann")])
        await store.keys.forget_keys(["ann"])
        for tag, expected in (
            ("name#ann", [3]),
            ("name#bob", [2]),
            ("kind:person", [1, 2]),
            ("note:#1", [1, 2]),
        ):
            found = await store.read_scope(scope(([], [tag])))
            assert positions(found.events) == expected

    async def test_a_hashed_tag_that_comes_late_goes_with_the_next_key(self, store: Store) -> None:
        """Its append was under way while its subject was forgotten."""
        keys = [Key(uuid4(), subject, b"k" * 32) for subject in ("ann", "bob", "eve")]
        await store.keys.offer_keys(keys)
        await store.keys.forget_keys(["ann"])
        for key in (keys[0], keys[2]):
            await store.append(key.subject, [tagged("claimed", f"name#{key.subject}", key=key.id)])
        await store.keys.forget_keys(["bob"])
        assert not (await store.read_scope(scope(([], ["name#ann"])))).events
        assert positions((await store.read_scope(scope(([], ["name#eve"])))).events) == [2]

    async def test_a_link_is_not_in_scope(self, store: Store) -> None:
        """Its event is, once."""
        await store.append("a", [tagged("t", "k:1")])
        await store.streams.link("vip", [1])
        found = await store.read_scope(scope(([], ["k:1"])))
        assert (positions(found.events), found.through) == ([1], 2)

    @pytest.mark.parametrize(
        "wrong",
        [
            Scope(()),
            Scope((ScopeItem(),)),
            scope((["$deleted"], [])),
            scope((["a\0"], [])),
            scope(([], [""])),
            scope(([], ["x" * 1001])),
            scope(([], [str(n) for n in range(101)])),
            Scope((ScopeItem(types=frozenset({"t"})),) * 101),
        ],
    )
    async def test_scopes_that_nothing_can_match_are_refused(
        self, store: Store, wrong: Scope
    ) -> None:
        """And those that everything does."""
        with pytest.raises(InvalidAppend):
            await store.read_scope(wrong)
        with pytest.raises(InvalidAppend):
            await store.append("a", [event()], condition=NoneSince(wrong, 0))
        assert await store.head() == 0

    @pytest.mark.parametrize(
        "tags", [("",), ("a\0",), ("x" * 1001,), ("a", "a"), tuple(map(str, range(101)))]
    )
    async def test_bad_tags_are_refused(self, store: Store, tags: tuple[str, ...]) -> None:
        """Empty, too long, twice, too many."""
        with pytest.raises(InvalidAppend):
            await store.append("a", [tagged("t", *tags)])
        assert await store.head() == 0

    @pytest.mark.parametrize("tag", ODD)
    async def test_any_other_tag_works(self, store: Store, tag: str) -> None:
        """Whatever it looks like, and a type and a stream that look like it."""
        other = tag[:999] + "\\"
        await store.append(tag, [tagged("t", "k:1"), tagged(tag, "k:2", tag, other)])
        for wanted in (scope(([tag, "x"], [tag])), scope(([tag], [tag, other]))):
            assert positions((await store.read_scope(wanted)).events) == [2]
            with pytest.raises(ConditionFailed) as caught:
                await store.append("a", [event()], condition=NoneSince(wanted, 0))
            assert (caught.value.position, caught.value.type) == (2, tag)
        missed = scope((["x"], [tag]), ([tag], ["k:1", tag]))
        await store.append("a", [event()], condition=NoneSince(missed, 0), unchanged={tag: 2})
        with pytest.raises(WrongExpectedVersion):
            await store.append("a", [event()], unchanged={tag: 1})

    async def test_bad_conditions_are_refused(self, store: Store) -> None:
        """Numbers below 0, streams of the store itself, metadata that is not an object."""
        with pytest.raises(InvalidAppend):
            await store.append("a", [event()], condition=NoneSince(COURSE, -1))
        for unchanged in ({"b": -1}, {"$erased": 0}, {"": 0}, {str(n): 0 for n in range(101)}):
            with pytest.raises(InvalidAppend):
                await store.append("a", [event()], unchanged=unchanged)
        listed = event()._replace(metadata=b"[]")
        with pytest.raises(InvalidAppend):
            await store.append("a", [listed], condition=NoneSince(COURSE, 0))
        assert await store.head() == 0

    @pytest.mark.parametrize("racers", [8, 16])
    async def test_a_limit_holds_among_racers(self, store: Store, racers: int) -> None:
        """They wait for each other before and after they read."""
        await store.append("course-1", [tagged("defined", "course:1")])
        barriers = [asyncio.Barrier(racers), asyncio.Barrier(racers)]
        done = await asyncio.gather(*(subscribe(store, n, barriers) for n in range(racers)))
        assert sum(done) == CAPACITY
        found = await store.read_scope(COURSE)
        assert [item.type for item in found.events].count("subscribed") == CAPACITY

    async def test_of_appends_sent_at_once_the_first_decides(self, store: Store) -> None:
        """Also in one batch with plain ones, and with conditions on different things."""
        names = [scope(([], [f"name:{n % 4}"])) for n in range(12)]
        answers = await asyncio.gather(
            *(store.append(f"plain-{n}", [event(), event()]) for n in range(5)),
            *(
                store.append(
                    f"person-{n}",
                    [tagged("claimed", f"name:{n % 4}"), event()],
                    condition=NoneSince(name, 0),
                )
                for n, name in enumerate(names)
            ),
            *(store.append(f"guarded-{n}", [event()], unchanged={"lock": 0}) for n in range(3)),
            store.append("lock", [event()]),
            *(store.append(f"late-{n}", [event()], unchanged={"lock": 0}) for n in range(3)),
            return_exceptions=True,
        )
        kinds = [type(answer) for answer in answers]
        assert kinds[:5] == [Appended] * 5
        assert kinds[5:9] == [Appended] * 4
        assert kinds[9:17] == [ConditionFailed] * 8
        assert kinds[17:] == [Appended] * 4 + [WrongExpectedVersion] * 3
        page = await store.read_page()
        assert positions(page) == list(range(1, len(page) + 1))
