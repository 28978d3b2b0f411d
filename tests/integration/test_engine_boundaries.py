"""Decisions that depend on many streams, in two processes at one Postgres, with 8 and 16 racers."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence

import pytest

from chekov import Runtime
from tests.integration.test_store_conditions import check_conditions
from tests.unit.engine.boundaries.examples import (
    ClaimName,
    DefineCourse,
    IssueInvoice,
    NameTaken,
    Subscribe,
    examples,
)


@pytest.fixture
async def runtimes(dsn: str) -> AsyncGenerator[Sequence[Runtime]]:
    """Two runtimes, each with a store of its own, as two pods have them."""
    async with (
        Runtime(examples, store=dsn, migrate=False, command_timeout=240) as first,
        Runtime(examples, store=dsn, migrate=False, command_timeout=240) as second,
    ):
        yield [first, second]


@pytest.mark.parametrize("racers", [8, 16])
async def test_a_name_is_claimed_once(runtimes: Sequence[Runtime], racers: int) -> None:
    for turn in range(5):
        answers = await asyncio.gather(
            *(
                runtimes[n % 2].dispatch(ClaimName(account=f"{turn}-{n}", name=f"name-{turn}"))
                for n in range(racers)
            ),
            return_exceptions=True,
        )
        kinds = Counter(type(answer).__name__ for answer in answers)
        assert kinds == {"Dispatched": 1, "NameTaken": racers - 1}
    assert await check_conditions(runtimes[0].store) == 5


@pytest.mark.parametrize("racers", [8, 16])
async def test_numbers_have_no_gaps(runtimes: Sequence[Runtime], racers: int) -> None:
    answers = await asyncio.gather(
        *(runtimes[n % 2].dispatch(IssueInvoice(customer=f"c{n}")) for n in range(racers))
    )
    ordered = sorted(answers, key=lambda answer: answer.position)
    assert [answer.events[0].number for answer in ordered] == list(range(1, racers + 1))
    assert await check_conditions(runtimes[0].store) == racers


async def test_limits_of_courses_and_students_hold(runtimes: Sequence[Runtime]) -> None:
    for course in range(4):
        await runtimes[0].dispatch(DefineCourse(course_id=f"c{course}", capacity=3))
    answers = await asyncio.gather(
        *(
            runtimes[(student + course) % 2].dispatch(
                Subscribe(course_id=f"c{course}", student_id=f"s{student}")
            )
            for student in range(6)
            for course in range(4)
        ),
        return_exceptions=True,
    )
    kinds = Counter(type(answer).__name__ for answer in answers)
    assert set(kinds) == {"Dispatched", "CourseFull", "TooManyCourses"} & set(kinds)
    assert kinds["Dispatched"] <= 4 * 3
    stored = [
        event
        for answer in answers
        if not isinstance(answer, BaseException)
        for event in answer.events
    ]
    by_course = Counter(getattr(event, "course_id", "") for event in stored)
    by_student = Counter(getattr(event, "student_id", "") for event in stored)
    assert max(by_course.values()) == 3
    assert max(by_student.values()) <= 3
    assert await check_conditions(runtimes[0].store) == 4 + kinds["Dispatched"]


async def test_a_forgotten_name_is_free(runtimes: Sequence[Runtime]) -> None:
    first, second = runtimes
    await first.dispatch(ClaimName(account="a", name="bob"))
    with pytest.raises(NameTaken):
        await second.dispatch(ClaimName(account="b", name="bob"))
    await second.forget("a")
    await first.dispatch(ClaimName(account="b", name="bob"))
