"""A statement checks all conditions first: none may be about an event that it stores before."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest

from chekov.domain.scope import Scope, ScopeItem
from chekov.errors import WrongExpectedVersion
from chekov.store.port import ConditionAhead, ConditionFailed, NewEvent, NoneSince
from chekov.store.postgres.append.batch import Pending, take
from chekov.store.postgres.append.conditions import checks


def tagged(type_: str, *tags: str) -> NewEvent:
    return NewEvent(uuid4(), type_, b"{}", tags=tags)


def scope(types: str, tags: str) -> Scope:
    return Scope((ScopeItem(types=frozenset(types.split()), tags=frozenset(tags.split())),))


def pending(
    stream: str,
    *events: NewEvent,
    wanted: Scope | None = None,
    unchanged: Mapping[str, int] | None = None,
) -> Pending:
    condition = None if wanted is None else NoneSince(wanted, 5)
    return Pending(stream, events or [tagged("t")], -1, 2, None, condition, unchanged)


def carried(*pendings: Pending) -> list[str]:
    return [group[0].stream for group in take(deque(pendings), (), len(pendings))]


@pytest.mark.parametrize(
    ("events", "demands", "together"),
    [
        ((tagged("t", "k:1"),), {"wanted": scope("", "k:1")}, False),
        ((tagged("t", "k:1"),), {"wanted": scope("t x", "k:1")}, False),
        ((tagged("t", "k:1", "l:2"),), {"wanted": scope("t", "k:1 l:2")}, False),
        ((tagged("x"), tagged("t")), {"wanted": scope("t", "")}, False),
        ((tagged("t", "k:1"),), {"wanted": scope("x", "k:1")}, True),
        ((tagged("t", "k:1"),), {"wanted": scope("t", "k:2")}, True),
        ((tagged("t", "k:1"),), {"wanted": scope("t", "k:1 l:2")}, True),
        ((tagged("t", "k:1"),), {"wanted": scope("x", "")}, True),
        ((tagged("t", "k:1"),), {"unchanged": {"a": 1}}, False),
        ((tagged("t", "k:1"),), {"unchanged": {"c": 1}}, True),
        ((tagged("t", "k:1"),), {}, True),
    ],
)
async def test_what_a_condition_is_about_goes_before_it_in_another_statement(
    events: Sequence[NewEvent], demands: dict[str, Any], *, together: bool
) -> None:
    first, conditional = pending("a", *events), pending("b", **demands)
    assert carried(first, conditional) == (["a", "b"] if together else ["a"])
    # The other way round, the condition holds whatever follows.
    assert carried(conditional, first) == ["b", "a"]


async def test_what_waits_keeps_the_order_of_its_stream() -> None:
    queue = deque(
        [
            pending("a", tagged("t", "k:1")),
            pending("b", wanted=scope("", "k:1")),
            pending("b", tagged("late")),
            pending("c", tagged("t", "k:2"), wanted=scope("", "k:2")),
            pending("d", wanted=scope("", "k:2")),
        ]
    )
    waiting = [queue[1], queue[2], queue[4]]
    assert [group[0].stream for group in take(queue, (), 9)] == ["a", "c"]
    assert list(queue) == waiting


async def test_decisions_on_one_stream_go_one_by_one() -> None:
    assert len(take(deque([pending("a"), pending("a")]), (), 9)[0]) == 2
    for first, second in ((None, scope("x", "")), (scope("x", ""), None)):
        queue = deque([pending("a", wanted=first), pending("a", wanted=second)])
        [[_]] = take(queue, (), 9)
        assert len(queue) == 1


async def test_tags_become_columns() -> None:
    key = uuid4()
    personal = NewEvent(uuid4(), "p", b"{}", tags=("n#h", "k:1"), tag_key=key)
    groups = [[pending("a", tagged("t"), personal), pending("a", tagged("u", 'k:"2\\'))]]
    found = checks(groups)
    assert found.tags == '{"n#h","k:1","k:\\"2\\\\"}'
    assert (found.tag_events, found.tag_types) == ("{2,2,3}", '{"p","p","u"}')
    assert found.tag_keys == [key, None, None]
    assert checks([[pending("a", tagged("t", "k:1"))]]).tag_keys is None


async def test_conditions_become_columns() -> None:
    wanted = scope("y x", "l:2 k:1") | scope("x", "") | scope("", "k:3") | scope("y x", "k:4")
    found = checks([[pending("a")], [pending("b", wanted=wanted, unchanged={"s": 3, "r": 0})]])
    assert (found.appends, found.after, found.anchors) == ("{2}", "{5}", None)
    assert (found.items, found.item_tags) == ("{1,1,1,1}", '{"k:1","","k:3","k:4"}')
    assert found.sets == ['{"x","y"}', '{"l:2"}', '{"x"}']
    assert (found.item_types, found.item_others) == ("{1,3,0,1}", "{2,0,0,0}")
    assert (found.guards, found.guard_streams) == ("{2,2}", '{"s","r"}')
    assert found.guard_versions == "{3,0}"
    assert set(checks([[pending("a")]])) == {None}


async def test_the_error_says_what_the_condition_met() -> None:
    conditional = pending("b", wanted=scope("t", ""), unchanged={"s": 3})
    nothing = {"position": None, "type": None, "stream": None, "version": None}
    failed = conditional.refusal(-3, {**nothing, "position": 7, "type": "t"})
    assert isinstance(failed, ConditionFailed)
    assert (failed.position, failed.type) == (7, "t")
    ahead = conditional.refusal(-3, {**nothing, "version": 4})
    assert isinstance(ahead, ConditionAhead)
    assert (ahead.position, ahead.head) == (5, 4)
    guard = conditional.refusal(-3, {**nothing, "stream": "s", "version": 4})
    assert isinstance(guard, WrongExpectedVersion)
    assert (guard.stream, guard.expected, guard.actual) == ("s", 3, 4)
