"""What holds among decisions that depend on events of many streams."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from chekov import (
    Boundary,
    Command,
    CommandHandler,
    CommandTimeout,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    InvalidArgument,
    InvalidCommand,
    MemoryStore,
    NewerRevision,
    Rejected,
    Runtime,
    Scope,
    Tag,
    apply,
    execute,
    scope,
)
from chekov.domain.scope import ScopeItem
from chekov.serialization.conditions import kept_condition
from chekov.store.memory.event_store import MemoryEventStore
from chekov.store.port import Found, NewEvent
from chekov.testing import Spec
from tests.unit.engine.boundaries.examples import (
    NOON,
    AlreadySubscribed,
    CapacityChanged,
    ChangeCapacity,
    ClaimName,
    ConfirmSignUp,
    CourseDefined,
    CourseExists,
    CourseFull,
    DefineCourse,
    Enrolment,
    InitiateSignUp,
    InvalidToken,
    IssueInvoice,
    NameTaken,
    NoSuchCourse,
    Order,
    Ordered,
    PriceChanged,
    PriceSet,
    ReleaseName,
    SetPrice,
    Shop,
    StudentSubscribed,
    Subscribe,
    TokenExpired,
    TokenUsed,
    TooManyCourses,
    examples,
)


async def outcomes(runtime: Runtime, commands: Iterable[Command[Event]]) -> Counter[str]:
    """What becomes of commands that are sent at once."""
    answers = await asyncio.gather(*map(runtime.dispatch, commands), return_exceptions=True)
    return Counter(type(answer).__name__ for answer in answers)


async def test_limits_of_courses_and_students_hold_together() -> None:
    async with Runtime(examples, store=MemoryStore()) as runtime:
        for course in range(5):
            await runtime.dispatch(DefineCourse(course_id=f"c{course}", capacity=4))
        with pytest.raises(CourseExists):
            await runtime.dispatch(DefineCourse(course_id="c1", capacity=4))
        found = await outcomes(
            runtime,
            [
                Subscribe(course_id=f"c{course}", student_id=f"s{student}")
                for student in range(8)
                for course in range(5)
            ],
        )
        page = [item async for item in runtime.store.read_all()]
    pairs = [(item.stream, item.data) for item in page if item.type == "StudentSubscribed"]
    assert set(found) == {"Dispatched", "CourseFull", "TooManyCourses"}
    assert len(pairs) == found["Dispatched"] == len(set(pairs))
    by_course = Counter(data.split(b'"course_id":"')[1][:2] for _, data in pairs)
    by_student = Counter(data.split(b'"student_id":"')[1][:2] for _, data in pairs)
    assert max(by_course.values()) <= 4
    assert max(by_student.values()) <= 3
    for item in page:
        kept = kept_condition(item.metadata)
        assert kept is not None
        assert kept.after is not None
        assert not any(
            kept.as_scope().matches(other.type, other_tags)
            for other, other_tags in ((other, tags(other.data)) for other in page)
            if kept.after < other.position < item.position
        )


def tags(data: bytes) -> list[str]:
    """The tags of an enrolment event."""
    return [f"{name}:{value}" for name, value in json.loads(data).items() if name.endswith("_id")]


async def test_a_refusal_is_that_of_the_rule() -> None:
    async with Runtime(examples, store=MemoryStore()) as runtime:
        with pytest.raises(NoSuchCourse):
            await runtime.dispatch(Subscribe(course_id="c", student_id="s"))
        await runtime.dispatch(DefineCourse(course_id="c", capacity=1))
        await runtime.dispatch(Subscribe(course_id="c", student_id="s"))
        with pytest.raises(AlreadySubscribed):
            await runtime.dispatch(Subscribe(course_id="c", student_id="s"))
        with pytest.raises(CourseFull):
            await runtime.dispatch(Subscribe(course_id="c", student_id="t"))
        await runtime.dispatch(ChangeCapacity(course_id="c", capacity=2))
        nothing = await runtime.dispatch(ChangeCapacity(course_id="c", capacity=2))
        assert (nothing.position, nothing.events) == (0, ())
        done = await runtime.dispatch(Subscribe(course_id="c", student_id="t"))
        assert done.stream == "enrolment-c"
        assert done.recorded[0].position == done.position == 4


async def test_a_name_belongs_to_one() -> None:
    async with Runtime(examples, store=MemoryStore()) as runtime:
        found = await outcomes(runtime, [ClaimName(account=f"a{n}", name="bob") for n in range(16)])
        assert found == {"Dispatched": 1, "NameTaken": 15}
        for n in range(16):
            await runtime.dispatch(ReleaseName(account=f"a{n}", name="bob"))
        await runtime.dispatch(ClaimName(account="x", name="bob"))


async def test_a_name_is_stored_as_a_hash_and_free_once_its_owner_is_forgotten() -> None:
    store = MemoryStore()
    async with Runtime(examples, store=store) as runtime:
        await runtime.dispatch(ClaimName(account="a", name="bob"))
        with pytest.raises(NameTaken):
            await runtime.dispatch(ClaimName(account="b", name="bob"))
        plain = Scope((ScopeItem(tags=frozenset({"name:bob"})),))
        assert not (await store.read_scope(plain)).events
        [item] = await store.read_page()
        assert b"bob" not in item.data + (item.metadata or b"")
        await runtime.forget("a")
        await runtime.dispatch(ClaimName(account="b", name="bob"))


async def test_numbers_have_no_gaps() -> None:
    async with Runtime(examples, store=MemoryStore()) as runtime:
        answers = await asyncio.gather(
            *(runtime.dispatch(IssueInvoice(customer=f"c{n % 3}")) for n in range(16))
        )
    assert sorted(answer.events[0].number for answer in answers) == list(range(1, 17))
    assert [answer.events[0].number for answer in sorted(answers, key=lambda a: a.position)] == (
        list(range(1, 17))
    )


async def test_a_token_serves_once_and_not_for_long() -> None:
    late = NOON + timedelta(hours=2)
    async with Runtime(examples, store=MemoryStore()) as runtime:
        for token in ("one", "two"):
            await runtime.dispatch(InitiateSignUp(email="a@x", token=token, at=NOON))
        with pytest.raises(InvalidToken):
            await runtime.dispatch(ConfirmSignUp(email="b@x", token="one", at=NOON))
        with pytest.raises(TokenExpired):
            await runtime.dispatch(ConfirmSignUp(email="a@x", token="two", at=late))
        found = await outcomes(
            runtime, [ConfirmSignUp(email="a@x", token="one", at=NOON) for _ in range(8)]
        )
        assert found == {"Dispatched": 1, "TokenUsed": 7}
        with pytest.raises(TokenUsed):
            await runtime.dispatch(ConfirmSignUp(email="a@x", token="one", at=NOON))


async def test_an_order_is_for_the_displayed_prices() -> None:
    async with Runtime(examples, store=MemoryStore()) as runtime:
        await runtime.dispatch(SetPrice(product="tea", price=3))
        await runtime.dispatch(SetPrice(product="cup", price=5))
        await runtime.dispatch(SetPrice(product="jam", price=9))
        answer = await runtime.dispatch(Order(order="1", displayed={"tea": 3, "cup": 5}))
        assert answer.events[0].total == 8
        await runtime.dispatch(SetPrice(product="tea", price=4))
        with pytest.raises(PriceChanged):
            await runtime.dispatch(Order(order="2", displayed={"tea": 3, "cup": 5}))
        found = await runtime.store.read_scope(
            Scope((ScopeItem(tags=frozenset({"products:cup"})),))
        )
        assert [item.type for item in found.events] == ["Ordered"]


async def test_the_state_of_a_decision_is_answered_and_not_loaded() -> None:
    async with Runtime(examples, store=MemoryStore()) as runtime:
        command_id = uuid4()
        command = SetPrice(product="tea", price=3)
        answer = await runtime.dispatch(command, command_id=command_id, with_state=True)
        assert isinstance(answer.state, Shop)
        assert answer.state.prices == {"tea": 3}
        again = await runtime.dispatch(command, command_id=command_id, with_state=True)
        assert again.repeated
        assert again.recorded == answer.recorded
        assert again.state is None
        assert "boundary" in str(again.state_error)
        for at in (None, 1):
            with pytest.raises(InvalidArgument, match="is a boundary"):
                await runtime.load(Shop, "tea", at=at)
        with pytest.raises(InvalidCommand, match="leave the version out"):
            await runtime.dispatch(command, expected_version=1)


class Overtaking(MemoryEventStore):
    """Somebody else stores an event in scope after every read."""

    reads = 0

    async def read_scope(
        self, scope: Scope, *, after: int = 0, anchor: UUID | None = None, limit: int = 1000
    ) -> Found:
        found = await super().read_scope(scope, after=after, anchor=anchor, limit=limit)
        self.reads += 1
        assert not found.events or found.events[0].position > after
        await self.append("other", [NewEvent(uuid4(), "Tagged", b'{"name":"a"}', tags=("name:a",))])
        return found


async def test_a_decision_that_always_meets_another_ends_with_its_time() -> None:
    """And not after a number of attempts; each reads on, and nothing is stored."""
    store = MemoryStore()
    store.events = events = Overtaking(store.log)
    async with Runtime(deciding(Scope.of(Tagged, name="a")), store=store) as runtime:
        with pytest.raises(CommandTimeout) as caught:
            await runtime.dispatch(Act(name="a"), timeout=0.5)
        assert caught.value.stored is False
        assert events.reads > 1
        assert await runtime.store.head() == events.reads


def test_a_spec_applies_the_events_in_scope_only() -> None:
    enrolment = Spec(Enrolment).given(
        CourseDefined(course_id="c", capacity=1),
        CourseDefined(course_id="d", capacity=1),
        StudentSubscribed(course_id="d", student_id="s"),
    )
    assert list(enrolment.when(Subscribe(course_id="c", student_id="s"))) == [
        StudentSubscribed(course_id="c", student_id="s")
    ]
    with pytest.raises(CourseFull):
        enrolment.when(Subscribe(course_id="d", student_id="t"))
    more = enrolment.given(
        *(StudentSubscribed(course_id=name, student_id="s") for name in "xy"),
    )
    with pytest.raises(TooManyCourses):
        more.when(Subscribe(course_id="c", student_id="s"))
    assert list(
        Spec(Shop).given(PriceSet(product="a", price=1)).when(Order(order="1", displayed={"a": 1}))
    ) == [Ordered(order="1", products=["a"], total=1)]
    assert list(enrolment.when(ChangeCapacity(course_id="c", capacity=9))) == [
        CapacityChanged(course_id="c", capacity=9)
    ]


class Tagged(Event):
    name: Tag[str]
    other: str = ""


class Untaken(Event):
    name: Tag[str]


class Act(Command[Tagged]):
    name: Identifier[str]


def deciding(found: object) -> Domain:
    """A domain whose boundary has this scope."""

    class Deciding(Boundary):
        @scope
        def needed(self, command: Act) -> Scope:
            return found  # pyright: ignore[reportReturnType]

        @execute
        def act(self, command: Act) -> Iterable[Tagged]:
            yield Tagged(name=command.name)

        @apply
        def acted(self, event: Tagged) -> None:
            pass

    return Domain("deciding", aggregates=[Deciding])


@pytest.mark.parametrize("revision", [2, 9])
async def test_nothing_is_decided_without_what_newer_code_stored(revision: int) -> None:
    """Neither what was stored before the decision nor meanwhile is overlooked."""
    newer = NewEvent(uuid4(), f"Tagged@{revision}", b'{"name":"a"}', tags=("name:a",))
    domain = deciding(Scope.of(Tagged, name="a"))
    async with Runtime(domain, store=MemoryStore()) as runtime:
        await runtime.dispatch(Act(name="a"))
        [item] = [item async for item in runtime.store.read_all()]
        kept = kept_condition(item.metadata)
        assert kept is not None
        assert kept.as_scope().matches(newer.type, newer.tags)
        await runtime.store.append("other", [newer])
        with pytest.raises(NewerRevision, match="newer code stored it"):
            await runtime.dispatch(Act(name="a"))
        assert await runtime.store.head() == 2


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (None, "return a Scope"),
        (Scope.of(Tagged, other="x"), "has Tagged with other, which is not a field"),
        (Scope.of(Untaken, name="x"), "no part of the domain takes this event"),
    ],
)
async def test_a_scope_that_would_find_nothing_is_refused(found: object, sentence: str) -> None:
    async with Runtime(deciding(found), store=MemoryStore()) as runtime:
        with pytest.raises(DefinitionError, match=sentence):
            await runtime.dispatch(Act(name="a"))
        assert await runtime.store.head() == 0


def test_scopes_need_types_and_texts() -> None:
    with pytest.raises(InvalidArgument, match="without event types"):
        Scope.of()
    for value in (None, 1.5, True, ["a"], NOON):
        with pytest.raises(InvalidArgument, match="the tag name of a scope"):
            Scope.of(Tagged, name=value)
    both = Scope.of(Tagged, name="a") | Scope.of(Tagged, name=1)
    assert both == both | Scope.of(Tagged, name="a")
    assert both.matches("Tagged", ["name:1", "x:2"])
    assert not both.matches("Tagged", ["name:2"])


def test_mistakes_in_a_boundary_are_listed() -> None:
    class Wrong(Boundary, snapshot_every=3):
        @scope  # pyright: ignore[reportArgumentType] the mistake
        async def needed(self, command: Act) -> Scope:
            return Scope.of(Tagged)

        @execute
        def act(self, command: Act) -> Iterable[Tagged]:
            yield Tagged(name=command.name)

        @apply
        def acted(self, event: Tagged) -> None:
            pass

    class Missing(Boundary):
        @execute
        def act(self, command: Act) -> Iterable[Tagged]:
            yield Tagged(name=command.name)

        @apply
        def acted(self, event: Tagged) -> None:
            pass

    for boundary, sentences in (
        (Wrong, ["is async, but a scope follows", "a boundary has no snapshots"]),
        (Missing, ["add a @scope method that takes it"]),
    ):
        with pytest.raises(DefinitionError) as caught:
            Domain("wrong", aggregates=[boundary])
        for sentence in sentences:
            assert sentence in str(caught.value)


def test_a_command_of_a_boundary_has_no_command_handler() -> None:
    class Deciding(CommandHandler):
        @execute
        async def act(self, command: Act, state: Shop) -> list[Tagged]:
            return [Tagged(name=command.name)]

    with pytest.raises(
        DefinitionError,
        match="takes Shop, a boundary, whose commands are decided by its executors alone",
    ):
        Domain("wrong", aggregates=[Shop], command_handlers=[Deciding()])


def test_the_rejections_are_rules() -> None:
    assert issubclass(NameTaken, Rejected)
