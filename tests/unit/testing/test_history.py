"""The checker of histories: it takes what is whole and finds each thing that is not."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chekov.store.port import RecordedEvent
from chekov.testing.history import (
    Attempt,
    Ending,
    HistoryError,
    Memory,
    Part,
    check,
    check_checkpoints,
    check_followed,
)

NOW = datetime(2024, 1, 1, tzinfo=UTC)
COMMAND = UUID(int=99)


def at(position: int, stream: str, version: int, type_: str = "t", n: int = 0) -> RecordedEvent:
    id_ = UUID(int=n or position)
    return RecordedEvent(position, stream, version, id_, type_, b"{}", None, None, None, NOW)


def blank(position: int) -> RecordedEvent:
    return at(position, "$erased", position, "$erased")


def part(stream: str, first: int, count: int, version: int, expected: int = -1) -> Part:
    """Events whose ids are their positions."""
    ids = tuple(UUID(int=first + n) for n in range(count))
    return Part(stream, ids, expected, version, first + count - 1)


HISTORY = [
    at(1, "a", 1),
    at(2, "a", 2),
    at(3, "b", 1),
    at(4, "a", 3),
    at(5, "c", 1),
    at(6, "b", 2),
    at(7, "c", 2, "$deleted"),
    blank(8),
    at(9, "d", 2),
]
MEMORY = Memory(
    attempts=[
        Attempt((part("a", 1, 2, 2, 0),), "stored", None, 1, 2),
        Attempt((part("b", 3, 1, 1), part("a", 4, 1, 3, 2)), "stored", None, 3, 9),
        Attempt((part("c", 5, 1, 1),), "unknown", COMMAND),
        Attempt((part("b", 6, 1, 2),), "stored", None, 4, 8),
        Attempt((part("d", 8, 2, 2, 0),), "stored", None, 10, 11),
        Attempt((part("b", 20, 2, 2),), "refused"),
        Attempt((part("b", 30, 2, 2),), "unknown", COMMAND),
    ],
    endings=[Ending("c", 7)],
    erased=frozenset({"d"}),
    firsts={"d": 2},
)


def test_a_whole_history_is_taken() -> None:
    check(HISTORY, MEMORY)
    again = Attempt((part("d", 8, 1, 1),), "unknown", COMMAND)
    check(HISTORY, Memory([again, *MEMORY.attempts], MEMORY.endings, MEMORY.erased, MEMORY.firsts))
    check_followed(HISTORY, HISTORY)
    check_followed(HISTORY, [*HISTORY[:7], at(8, "d", 1), HISTORY[8]])
    check_checkpoints([(1, 0), (1, 5), (2, 5), (2, 9)])


def lose_the_end(history: list[RecordedEvent]) -> None:
    del history[-1]


def lose(history: list[RecordedEvent]) -> None:
    """And close the gap, so that only memory tells."""
    del history[5]
    history[5:] = [event._replace(position=event.position - 1) for event in history[5:]]


def gap(history: list[RecordedEvent]) -> None:
    del history[4]


def swap(history: list[RecordedEvent]) -> None:
    history[2:4] = [history[3]._replace(position=3), history[2]._replace(position=4)]


def reorder(history: list[RecordedEvent]) -> None:
    history[2:4] = history[3:1:-1]


def double(history: list[RecordedEvent]) -> None:
    history.append(at(10, "a", 4, n=1))


def halve(history: list[RecordedEvent]) -> None:
    history[3] = at(4, "a", 3, n=77)


def store_what_was_refused(history: list[RecordedEvent]) -> None:
    history += [at(10, "b", 3, n=20), at(11, "b", 4, n=21)]


def store_a_command_again(history: list[RecordedEvent]) -> None:
    history += [at(10, "b", 3, n=30), at(11, "b", 4, n=31)]


def invent(history: list[RecordedEvent]) -> None:
    history.append(at(10, "a", 4))


def two_winners(history: list[RecordedEvent]) -> None:
    history.append(at(10, "a", 3, n=30))


def skip_a_version(history: list[RecordedEvent]) -> None:
    history.append(at(10, "a", 5))


def begin_late(history: list[RecordedEvent]) -> None:
    history.append(at(10, "e", 2))


def go_on_after_the_end(history: list[RecordedEvent]) -> None:
    history.append(at(10, "c", 3))


def move_to_another_stream(history: list[RecordedEvent]) -> None:
    history[5] = at(6, "x", 1)


def erase_too_much(history: list[RecordedEvent]) -> None:
    history[5] = blank(6)


def blank_by_half(history: list[RecordedEvent]) -> None:
    history[7] = blank(8)._replace(data=b'{"secret": 1}')


def lose_an_end(history: list[RecordedEvent]) -> None:
    history[6] = at(7, "c", 2, n=30)


FAULTS: list[tuple[Callable[[list[RecordedEvent]], None], str]] = [
    (lose_the_end, "stored by half"),
    (lose, "acknowledged and lost"),
    (gap, "position 5 is missing"),
    (swap, "torn apart"),
    (reorder, "position 3 is missing"),
    (double, "is stored 2 times"),
    (halve, "stored by half"),
    (store_what_was_refused, "refused and stored"),
    (store_a_command_again, "command .* is stored 2 times"),
    (invent, "nobody sent"),
    (two_winners, "'a' has version 3 after 3"),
    (skip_a_version, "'a' has version 5 after 3"),
    (begin_late, "'e' has version 2 after none"),
    (go_on_after_the_end, "after its end"),
    (move_to_another_stream, "is in 'x'"),
    (erase_too_much, "erased by nobody"),
    (blank_by_half, "neither an event nor erased"),
    (lose_an_end, "the end of 'c'"),
]


@pytest.mark.parametrize(("spoil", "words"), FAULTS, ids=[spoil.__name__ for spoil, _ in FAULTS])
def test_a_spoilt_history_is_refused(
    spoil: Callable[[list[RecordedEvent]], None], words: str
) -> None:
    history = list(HISTORY)
    spoil(history)
    with pytest.raises(HistoryError, match=words):
        check(history, MEMORY)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (Attempt((part("a", 1, 2, 2, 7),), "stored"), "not expected"),
        (Attempt((part("a", 1, 2, 3),), "stored"), "has version 1, not 2"),
        (Attempt((part("a", 1, 2, 2)._replace(position=3),), "stored"), "acknowledged at 3"),
        (Attempt((part("a", 4, 1, 0, 7),), "unknown"), "not expected"),
        (Attempt((part("b", 3, 1, 1),), "stored", None, 20, 21), "answered earlier, at 9"),
    ],
)
def test_what_a_writer_remembers_must_be_so(attempt: Attempt, words: str) -> None:
    memory = Memory([*MEMORY.attempts, attempt], MEMORY.endings, MEMORY.erased, MEMORY.firsts)
    with pytest.raises(HistoryError, match=words):
        check(HISTORY, memory)


@pytest.mark.parametrize(
    "seen",
    [
        HISTORY[:-1],
        HISTORY[1:],
        [*HISTORY[:3], *HISTORY[4:]],
        [*HISTORY[:3], HISTORY[2], *HISTORY[3:]],
        [HISTORY[1], HISTORY[0], *HISTORY[2:]],
        [HISTORY[0]._replace(data=b"[]"), *HISTORY[1:]],
        [*HISTORY[:7], at(8, "d", 1, n=50), HISTORY[8]],
        [*HISTORY, at(10, "a", 4)],
    ],
    ids=["end", "start", "loss", "double", "swap", "change", "stranger", "phantom"],
)
def test_a_follower_who_was_misled_is_told(seen: list[RecordedEvent]) -> None:
    with pytest.raises(HistoryError):
        check_followed(HISTORY, seen)


@pytest.mark.parametrize("moments", [[(1, 5), (1, 4)], [(2, 5), (1, 6)]])
def test_a_checkpoint_that_goes_back_is_told(moments: list[tuple[int, int]]) -> None:
    with pytest.raises(HistoryError, match="went from"):
        check_checkpoints(moments)


def test_many_faults_are_told_in_part() -> None:
    with pytest.raises(HistoryError, match="and 5 more") as caught:
        raise HistoryError([str(number) for number in range(25)])
    assert len(caught.value.faults) == 25
