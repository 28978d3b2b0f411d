from dataclasses import FrozenInstanceError, fields
from uuid import UUID, uuid4

import pytest

from chekov import Command, Event, Identifier
from chekov.domain.messages import identifier_fields, yielded_events
from tests.unit.domain.messages import Either, Left, Right


def test_messages_are_values() -> None:
    assert Left(text="a") == Left(text="a") != Left(text="b")
    assert len({Left(text="a"), Left(text="a")}) == 1
    assert repr(Left(text="a")) == "Left(text='a')"


def test_messages_cannot_be_changed_and_are_built_by_name() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(Left(text="a"), "text", "b")  # noqa: B010 checkers refuse the statement
    with pytest.raises(TypeError):
        Left("a")  # type: ignore[misc]


def test_the_stored_name_is_the_class_name_or_what_is_said() -> None:
    assert (Left.name, Right.name, Either.name) == ("Left", "right-turn", "Either")
    assert [item.name for item in fields(Left)] == ["text"]


def test_a_subclass_has_a_name_of_its_own() -> None:
    class Further(Right):
        pass

    assert Further.name == "Further"


def test_a_command_tells_what_it_yields() -> None:
    assert yielded_events(Either) == (Left, Right)

    class Inherited(Either):
        more: int

    assert yielded_events(Inherited) == (Left, Right)


def test_an_identifier_is_found_by_its_annotation() -> None:
    class Keyed(Command[Left]):
        first: int
        key: Identifier[UUID]

    key = uuid4()
    assert identifier_fields(Keyed) == ("key",)
    assert Keyed(first=1, key=key).key is key


def test_defaults_and_methods_work_as_in_any_dataclass() -> None:
    class Priced(Event):
        net: int
        tax: int = 2

        def gross(self) -> int:
            return self.net + self.tax

    assert Priced(net=3).gross() == 5
