"""The events of an answer are made when somebody looks at them, and then stay the same."""

from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest

from chekov import Event, NewEvent
from chekov.engine.commands.answered_events import AnsweredEvents


class Named(Event):
    name: str


def counted(calls: list[bytes]) -> Callable[[str, bytes], Named]:
    def decode(name: str, data: bytes) -> Named:
        assert name == "Named"
        calls.append(data)
        return Named(name=data.decode())

    return decode


def stored(*contents: bytes) -> Sequence[NewEvent]:
    return [NewEvent(uuid4(), "Named", content) for content in contents]


def test_their_number_is_known_without_any_of_them() -> None:
    calls: list[bytes] = []
    events = AnsweredEvents(stored(b"a", b"b"), counted(calls))
    assert (len(events), calls) == (2, [])


def test_each_is_made_once() -> None:
    calls: list[bytes] = []
    events = AnsweredEvents(stored(b"a", b"b"), counted(calls))
    assert events[0] is events[0]
    assert [*events] == [Named(name="a"), Named(name="b")]
    assert events[1:] == (Named(name="b"),)
    assert calls == [b"a", b"b"]


def test_they_equal_a_tuple_of_the_same_and_look_like_it() -> None:
    decode = counted([])
    events = AnsweredEvents(stored(b"a"), decode)
    same = (Named(name="a"),)
    assert events == same == events == AnsweredEvents(stored(b"a"), decode)
    assert events != ()
    assert events != [*same]
    assert repr(events) == repr(same)
    with pytest.raises(TypeError, match="unhashable"):
        hash(events)
