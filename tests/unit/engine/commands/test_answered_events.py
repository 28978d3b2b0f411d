"""The events of an answer are made when somebody looks at them, and then stay the same."""

from collections.abc import Callable

import pytest

from chekov import Event
from chekov.engine.commands.answered_events import AnsweredEvents


class Named(Event):
    name: str


def counted(calls: list[bytes]) -> Callable[[bytes], Named]:
    def decode(data: bytes) -> Named:
        calls.append(data)
        return Named(name=data.decode())

    return decode


def test_their_number_is_known_without_any_of_them() -> None:
    calls: list[bytes] = []
    events = AnsweredEvents([(b"a", counted(calls)), (b"b", counted(calls))])
    assert (len(events), calls) == (2, [])


def test_each_is_made_once() -> None:
    calls: list[bytes] = []
    events = AnsweredEvents([(b"a", counted(calls)), (b"b", counted(calls))])
    assert events[0] is events[0]
    assert [event.name for event in events] == ["a", "b"]
    assert events[1:] == (Named(name="b"),)
    assert calls == [b"a", b"b"]


def test_they_equal_a_tuple_of_the_same_and_look_like_it() -> None:
    decode = counted([])
    events = AnsweredEvents([(b"a", decode)])
    same = (Named(name="a"),)
    assert events == same == events == AnsweredEvents([(b"a", decode)])
    assert events != ()
    assert events != [*same]
    assert repr(events) == repr(same)
    with pytest.raises(TypeError, match="unhashable"):
        hash(events)
