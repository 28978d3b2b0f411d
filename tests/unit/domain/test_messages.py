from collections.abc import Iterable
from dataclasses import FrozenInstanceError, fields
from types import new_class
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

import pytest

from chekov import (
    Aggregate,
    Command,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Runtime,
    apply,
    definition_of,
    execute,
    identifier,
)
from chekov.domain.messages import event_types, identifier_fields
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
    assert (definition_of(Left).name, definition_of(Right).name, definition_of(Either).name) == (
        "Left",
        "right-turn",
        "Either",
    )
    assert [item.name for item in fields(Left)] == ["text"]


def test_a_subclass_has_a_name_of_its_own() -> None:
    class Further(Right):
        pass

    assert definition_of(Further).name == "Further"


def test_a_command_tells_what_it_yields() -> None:
    assert definition_of(Either).events == (Left, Right)

    class Inherited(Either):
        more: int

    assert definition_of(Inherited).events == (Left, Right)


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


def test_a_message_may_have_a_property_called_name() -> None:
    class Registered(Event, name="registered"):
        first: str

        @property
        def name(self) -> str:
            return self.first.title()

    assert definition_of(Registered).name == "registered"
    assert Registered(first="ada").name == "Ada"


@pytest.mark.parametrize(
    ("base", "known"),
    [(Event, "name, aliases, revision, subject"), (Command[Left], "name, timeout")],
)
def test_a_misspelt_class_keyword_is_named_with_the_known_ones(base: Any, known: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        new_class("Opened", (base,), {"names": "opened"})

    (fault,) = caught.value.faults
    assert fault == f"it has no class keyword 'names': did you mean 'name'? It takes {known}"


def test_an_alias_of_a_union_is_seen_through() -> None:
    """A stand-in for `type Turn = Left | Right`, which older interpreters cannot parse."""

    class Alias:
        __value__ = Left | Right

    assert event_types(Alias()) == (Left, Right)
    assert event_types(list[Left]) == ()


def test_a_message_may_have_a_field_called_name() -> None:
    class Registered(Event, name="registered"):
        name: str

    class Renamed(Registered, revision=2):
        former: str = ""

    class Defaulted(Event):
        name: str = "nobody"

    assert (definition_of(Registered).name, definition_of(Renamed).name) == (
        "registered",
        "Renamed@2",
    )
    assert Registered(name="Ada").name == "Ada"
    assert Renamed(name="Ada") == Renamed(name="Ada", former="")
    assert (Defaulted().name, definition_of(Defaulted).name) == ("nobody", "Defaulted")
    with pytest.raises(TypeError, match="name"):
        Registered()  # pyright: ignore[reportCallIssue]


def test_a_command_may_have_a_time_out_which_its_subclasses_inherit() -> None:
    class Quick(Command[Left], timeout=0.5):
        key: Identifier[str]

    class Quicker(Quick):
        pass

    assert definition_of(Quicker).timeout == 0.5
    assert definition_of(Either).timeout is None


@pytest.mark.parametrize("wrong", [0, -1, True, "1", float("inf"), float("nan")])
def test_a_time_out_is_a_number_of_seconds(wrong: Any) -> None:
    with pytest.raises(DefinitionError, match=r"timeout=.* must be a number of seconds"):
        type("Wrong", (Command,), {}, timeout=wrong)


E = TypeVar("E", bound=Event)


class KeyedCommand(Command[E], Generic[E]):
    hall: str
    seat: int

    @identifier
    def place(self) -> str:
        """Hall and seat."""
        return f"{self.hall}/{self.seat}"


class Reserve(KeyedCommand[Left]):
    by: str


class Both(KeyedCommand[Left | Right]):
    pass


class Wider(KeyedCommand[E | Right], Generic[E]):
    pass


class Widest(Wider[Left]):
    pass


def test_commands_may_share_a_generic_base() -> None:
    assert definition_of(Reserve).events == (Left,)
    assert set(definition_of(Both).events) == {Left, Right}
    assert set(definition_of(Widest).events) == {Left, Right}
    assert definition_of(KeyedCommand).events == ()


def test_an_identifier_may_be_made_of_several_fields() -> None:
    command = Reserve(hall="a", seat=7, by="ada")
    assert command.place == "a/7"
    assert identifier_fields(Reserve) == ("place",)
    assert KeyedCommand.place.__doc__ == "Hall and seat."
    assert [item.name for item in fields(Reserve)] == ["hall", "seat", "by"]
    with pytest.raises((AttributeError, FrozenInstanceError)):
        setattr(command, "place", "b/1")  # noqa: B010 checkers refuse the statement


async def test_such_a_command_is_for_the_instance_that_it_names() -> None:
    class Seat(Aggregate, identity="seat"):
        by: str = ""

        @execute
        def reserve(self, command: Reserve) -> Iterable[Left]:
            yield Left(text=command.by)

        @apply
        def reserved(self, event: Left) -> None:
            self.by = event.text

    domain = Domain("theatre", aggregates=[Seat])
    assert domain.identifier_kind(Seat) is str
    async with Runtime(domain, store=MemoryStore()) as runtime:
        dispatched = await runtime.dispatch(Reserve(hall="a", seat=7, by="ada"))
        assert dispatched.stream == "seat-a/7"
        assert (await runtime.load(Seat, "a/7")).state.by == "ada"


def test_an_identifier_without_an_annotation_is_refused() -> None:
    class Loose(Command[Left]):
        hall: str

        @identifier
        def place(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
            return self.hall

    class Hall(Aggregate):
        @execute
        def loose(self, command: Loose) -> Iterable[Left]:
            yield Left(text=command.hall)

        @apply
        def done(self, event: Left) -> None:
            pass

    with pytest.raises(DefinitionError, match=r"Loose\.place: an identifier of type None"):
        Domain("halls", aggregates=[Hall])
