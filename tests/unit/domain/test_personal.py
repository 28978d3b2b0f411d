"""What the author of personal fields is told, and what stands where somebody was forgotten."""

import copy
import json
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, NewType
from uuid import UUID

import pytest

from chekov import (
    FORGOTTEN,
    Aggregate,
    Command,
    DefinitionError,
    Domain,
    Event,
    Forgotten,
    Identifier,
    Personal,
    apply,
    execute,
)
from chekov.domain.personal import PersonalFields
from chekov.serialization.json import to_json

MemberId = NewType("MemberId", UUID)


@dataclass(frozen=True)
class Inner:
    secret: Personal[str] = ""


@dataclass(frozen=True)
class Tree:
    children: "tuple[Tree, ...]" = ()


def domain_of(*kinds: type[Event]) -> Domain:
    """A domain whose only aggregate applies these events."""

    def applier(kind: type[Event]) -> object:
        def applied(self: Aggregate, event: Event) -> None:
            del self, event

        applied.__annotations__ = {"event": kind, "return": None}
        return apply(applied)

    methods = {f"apply_{number}": applier(kind) for number, kind in enumerate(kinds)}
    return Domain("d", aggregates=[type("Thing", (Aggregate,), methods)])


def faults_of(*kinds: type[Event]) -> str:
    with pytest.raises(DefinitionError) as caught:
        domain_of(*kinds)
    return "\n".join(caught.value.faults)


def test_a_domain_knows_its_personal_fields() -> None:
    class Joined(Event, subject="member"):
        member: MemberId
        name: Personal[str]
        email: Personal["str | None"] = None
        tree: Personal[Tree] = Tree()
        fee: int = 0

    class Left(Event):
        member: UUID

    class Moved(Event):
        to: Personal[list[str]]

    domain = domain_of(Joined, Left, Moved)
    assert domain.personal == {
        Joined: PersonalFields(("name", "email", "tree"), ("name", "tree"), "member"),
        Moved: PersonalFields(("to",), ("to",), None),
    }


def test_a_derived_event_is_about_the_same_person() -> None:
    class Joined(Event, subject="member"):
        member: str
        name: Personal[str]

    class JoinedLate(Joined):
        days: int

    assert domain_of(JoinedLate).personal[JoinedLate].subject == "member"


def test_every_fault_is_told() -> None:
    class Nowhere(Event, subject="member"):
        name: Personal[str]

    class Circular(Event, subject="name"):
        name: Personal[str]

    class Strange(Event, subject="price"):
        price: float
        name: Personal[str]

    class Inside(Event):
        names: list[Personal[str]]

    class Half(Event):
        name: Personal[str] | None

    class Deep(Event):
        inner: dict[str, Inner]

    class Twice(Event):
        name: Personal[list[Personal[str]]]

    told = faults_of(Nowhere, Circular, Strange, Inside, Half, Deep, Twice)
    assert "Nowhere: subject 'member' is not one of its fields" in told
    assert "Circular: its subject 'name' is personal" in told
    assert "Strange: its subject 'price' must be a str, an int or a UUID" in told
    for field in ("Inside.names", "Half.name", "Deep.inner", "Twice.name"):
        assert f"{field}: Personal is inside" in told


def test_a_subject_may_be_an_int_a_text_or_an_id() -> None:
    class Numbered(Event, subject="number"):
        number: Annotated[int, "positive"]
        name: Personal[str]

    class Named(Event, subject="nick"):
        nick: str
        name: Personal[str]

    assert len(domain_of(Numbered, Named).personal) == 2


def test_what_is_forgotten_is_one_false_thing_that_reads_well() -> None:
    assert not FORGOTTEN
    assert isinstance(FORGOTTEN, Forgotten)
    assert f"{FORGOTTEN}" == "[forgotten]"
    assert repr(FORGOTTEN) == "FORGOTTEN"
    assert copy.deepcopy(FORGOTTEN) is FORGOTTEN
    assert pickle.loads(pickle.dumps(FORGOTTEN)) is FORGOTTEN
    assert json.loads(to_json({"name": FORGOTTEN})) == {"name": None}


def test_commands_and_states_may_use_the_annotation_too() -> None:
    class Joined(Event):
        name: Personal[str]

    class Join(Command[Joined]):
        club: Identifier[str]
        name: Personal[str]

    class Club(Aggregate):
        name: Personal[str] = ""

        @execute
        def join(self, command: Join) -> Iterable[Joined]:
            yield Joined(name=command.name)

        @apply
        def joined(self, event: Joined) -> None:
            self.name = event.name

    assert Domain("d", aggregates=[Club]).personal
