"""A field that a type does not have is found at any depth."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest

from chekov import Aggregate, Command, Domain, Event, Identifier, apply, execute
from chekov.errors import InvalidCommand
from chekov.serialization.codec import Codec


@dataclass(frozen=True)
class Address:
    street: str = ""
    city: str = ""
    beside: "Address | None" = None


class Place(NamedTuple):
    name: str
    address: Address


class Row(TypedDict, total=False):
    name: str


class Card(msgspec.Struct, tag=True):
    number: str = ""


class Transfer(msgspec.Struct, tag=True, rename="camel"):
    to_account: str = ""


class Moved(Event):
    pass


class Move(Command[Moved]):
    person: Identifier[str]
    address: Address | None = None
    addresses: list[Address] = field(default_factory=list[Address])
    named: dict[str, tuple[Address, ...]] = field(default_factory=dict[str, tuple[Address, ...]])
    pair: tuple[int, Address] | None = None
    place: Place | None = None
    row: Row | None = None
    by: Card | Transfer | None = None
    free: Any = None
    counts: dict[str, int] | None = None


class Person(Aggregate, identity="person"):
    @execute
    def move(self, command: Move) -> list[Moved]:
        return []

    @apply
    def moved(self, event: Moved) -> None:
        pass


CODEC = Codec(Domain("people", aggregates=[Person]))


def decode(member: str) -> object:
    return CODEC.decode_command("Move", b'{"person":"1",%s}' % member.encode())


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ('"citty":1', "$.citty"),
        ('"address":{"citty":"c"}', "$.address.citty"),
        ('"address":{"beside":{"citty":"c"}}', "$.address.beside.citty"),
        ('"addresses":[{},{"citty":"c"}]', "$.addresses[1].citty"),
        ('"named":{"a":[{"citty":"c"}]}', "$.named.a[0].citty"),
        ('"pair":[1,{"citty":"c"}]', "$.pair[1].citty"),
        ('"place":["a",{"citty":"c"}]', "$.place[1].citty"),
        ('"row":{"title":"c"}', "$.row.title"),
        ('"by":{"type":"Card","nr":"c"}', "$.by.nr"),
        ('"by":{"type":"Transfer","to_account":"c"}', "$.by.to_account"),
    ],
)
def test_an_unknown_field_is_refused_with_its_path(member: str, path: str) -> None:
    with pytest.raises(InvalidCommand, match="has no field") as caught:
        decode(member)
    assert caught.value.path == path


@pytest.mark.parametrize(
    "member",
    [
        '"address":{"city":"c","beside":{"street":"s"}}', '"address":null', '"addresses":[{}]',
        '"named":{"any":[{"city":"c"}]}', '"pair":[1,{"city":"c"}]', '"place":["a",{}]',
        '"row":{"name":"c"}', '"by":{"type":"Card","number":"c"}',
        '"by":{"type":"Transfer","toAccount":"c"}', '"free":{"a":[{"b":1}]}', '"counts":{"a":1}',
    ],
)  # fmt: skip
def test_known_fields_and_free_content_are_accepted(member: str) -> None:
    decode(member)
