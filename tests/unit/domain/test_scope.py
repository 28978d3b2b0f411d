"""What the tags of events and of scopes are."""

from enum import Enum, IntEnum, StrEnum

import pytest

from chekov import Event, Scope, Tag
from chekov.domain.tags import tags_of


class Color(Enum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


class Kind(StrEnum):
    NEW = "new"


class Painted(Event):
    color: Tag[Color | Size | Kind | str | int]


@pytest.mark.parametrize(
    ("member", "value"), [(Color.RED, "red"), (Size.LARGE, 3), (Kind.NEW, "new")]
)
def test_the_tag_of_a_member_is_what_is_stored(
    member: Color | Size | Kind, value: str | int
) -> None:
    """So that renaming a class or a member changes no tag, and the value itself finds it."""
    assert tags_of(Painted(color=member), ["color"]) == (f"color:{value}",)
    assert Scope.of(Painted, color=member) == Scope.of(Painted, color=value)
    assert Scope.of(Painted, color=member).matches("Painted", [f"color:{value}"])
