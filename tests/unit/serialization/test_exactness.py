"""What an event holds comes back as it was given, or is refused, with both serializers."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from math import inf, nan
from typing import Any, NamedTuple, NewType, TypedDict
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
from asyncpg.pgproto import pgproto

from chekov import (
    FORGOTTEN,
    Aggregate,
    Command,
    Domain,
    Event,
    Identifier,
    Json,
    MessagePack,
    Personal,
    apply,
    execute,
)
from chekov.errors import InexactEvent, InvalidAppend
from chekov.serialization import exactness
from chekov.serialization.codec import Codec

Celsius = NewType("Celsius", float)
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 10, 25, 1, 30, 0, 5, UTC)
ID = uuid4()


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Side(Enum):
    LEFT = "l"


@dataclass(frozen=True)
class Shape:
    name: str
    sides: tuple[int, ...] = ()


@dataclass(frozen=True)
class Circle(Shape):
    radius: int = 0


@dataclass(eq=False)
class Odd:
    number: Any


class Point(NamedTuple):
    x: float
    y: float


class Row(TypedDict, total=False):
    name: str


@dataclass(frozen=True)
class Wrapped:
    names: Sequence[str]
    exact: list[str]


class Spot(NamedTuple):
    names: Sequence[str]
    exact: list[str]


class Cells(TypedDict, total=False):
    row: list[str]
    all: Sequence[str]


class Item(msgspec.Struct):
    price: Decimal


class Text(str):
    __slots__ = ()


class Held(Event):
    value: Any = None
    number: float | None = None
    whole: int | None = None
    text: str | None = None
    shape: Shape | None = None
    shapes: list[Shape] = field(default_factory=list[Shape])
    marks: tuple[int, ...] = ()
    names: Sequence[str] = field(default_factory=list[str])
    by_name: Mapping[str, float] = field(default_factory=dict[str, float])
    unique: AbstractSet[int] = field(default_factory=set[int])
    each: Collection[str] = field(default_factory=list[str])
    deep: list[Sequence[Sequence[int]] | None] = field(
        default_factory=list[Sequence[Sequence[int]] | None]
    )
    wrapped: Sequence[Wrapped] = field(default_factory=list[Wrapped])
    cells: Cells | None = None
    spot: Spot | None = None
    by_number: dict[int, Shape] = field(default_factory=dict[int, Shape])
    tags: frozenset[str] = frozenset()
    moment: datetime | None = None
    moments: set[datetime] = field(default_factory=set[datetime])
    day: date | None = None
    hour: time | None = None
    lasting: timedelta | None = None
    amount: Decimal | None = None
    id: UUID | None = None
    odd: Odd | None = None
    point: Point | None = None
    row: Row | None = None
    item: Item | None = None
    colour: Colour | None = None
    level: Level | None = None
    temperature: Celsius | None = None
    either: int | str | None = None


class About(Event, subject="person"):
    person: str
    name: Personal[str]
    remark: Personal[str | None] = None
    extra: Personal[Any] = None


class Plain(Event):
    name: str
    side: Side


@dataclass(frozen=True)
class Line:
    item: str
    price: Decimal | None
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class OldLine(Line):
    pass


class Listing(Event):
    names: Sequence[str]
    marks: list[float]
    moments: list[datetime]
    rows: list[list[str]]
    prices: Mapping[str, float] = field(default_factory=dict[str, float])
    lines: list[Line] = field(default_factory=list[Line])
    by_id: dict[UUID, dict[int, Line]] = field(default_factory=dict[UUID, dict[int, Line]])


class Fixed(Event):
    names: tuple[str, ...]
    weights: tuple[float, ...]
    rows: tuple[tuple[int, ...], ...]


class Pair(NamedTuple):
    left: str
    right: str


class Hold(Command[Held | About | Plain | Listing | Fixed]):
    box: Identifier[str]


class Box(Aggregate, identity="box"):
    @execute
    def hold(self, command: Hold) -> Iterable[Held | About | Plain | Listing | Fixed]:
        yield Held()

    @apply
    def held(self, event: Held | About | Plain | Listing | Fixed) -> None:
        pass


CODECS = {
    kind.name: Codec(Domain("boxes", aggregates=[Box], serializer=kind))
    for kind in (Json(), MessagePack())
}
both = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


def decoded(codec: Codec, copy: Event, data: bytes) -> Event:
    return codec.decode_content(copy.__chekov__.name, data)


def held(name: str, value: object) -> Held:
    fields: Any = {name: value}
    return Held(**fields)


@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("value", {"a": [1, 2.5, None, True, "x"]}),
        ("number", 1.5),
        ("number", 3),
        ("shape", Shape("s", (1, 2))),
        ("shapes", [Shape("a"), Shape("b")]),
        ("marks", (1, 2)),
        ("names", ["a"]),
        ("by_name", {"a": 1, "b": 2.5}),
        ("by_number", {1: Shape("a")}),
        ("tags", frozenset({"a", "b"})),
        ("moment", NOW),
        ("moment", NOW.replace(tzinfo=None)),
        ("moments", {NOW, NOW + timedelta(1)}),
        ("day", date(2026, 1, 2)),
        ("hour", time(1, 2, 3)),
        ("lasting", timedelta(days=-3, microseconds=7)),
        ("amount", Decimal("1.00")),
        ("id", ID),
        ("id", pgproto.UUID(str(ID))),
        ("odd", Odd(1)),
        ("point", Point(1.5, 2.0)),
        ("row", {"name": "a"}),
        ("item", Item(Decimal(2))),
        ("colour", Colour.RED),
        ("level", Level.LOW),
        ("temperature", Celsius(2.5)),
        ("either", "7"),
        ("either", 7),
    ],
)
def test_what_fits_its_annotation_comes_back(codec: Codec, name: str, value: object) -> None:
    event = held(name, value)
    data, copy, _ = codec.encode_event(event)
    if name != "odd":
        assert getattr(copy, name) == value
    assert decoded(codec, copy, data) is not copy


BY_CONTENT: list[Any] = [
    ("names", ("a", "b"), ["a", "b"]),
    ("each", ("a",), ["a"]),
    ("each", {"a"}, ["a"]),
    ("unique", frozenset({1, 2}), {1, 2}),
    ("by_name", defaultdict(float, a=1.0), {"a": 1.0}),
    ("by_name", OrderedDict(a=1.5), {"a": 1.5}),
    ("deep", [((1, 2), [3]), None], [[[1, 2], [3]], None]),
    ("wrapped", (Wrapped(("a",), ["b"]),), [Wrapped(["a"], ["b"])]),
    ("cells", {"row": ["a"], "all": ("b",)}, {"row": ["a"], "all": ["b"]}),
    ("spot", Spot(("a",), ["b"]), Spot(["a"], ["b"])),
]


@both
@pytest.mark.parametrize(("name", "value", "read"), BY_CONTENT)
def test_only_the_content_counts_where_the_annotation_is_abstract(
    codec: Codec, name: str, value: object, read: object
) -> None:
    data, copy, _ = codec.encode_event(held(name, value))
    answer = decoded(codec, copy, data)
    assert copy == answer == held(name, read)
    assert type(getattr(copy, name)) is type(read)
    assert codec.encode(copy) == data


@both
@pytest.mark.parametrize("given", [["a", "b"], ("a", "b")])
def test_containers_of_exact_values_are_copied_without_a_comparison(
    codec: Codec, given: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("compared")

    monkeypatch.setattr(exactness, "difference", never)
    line = Line("a", Decimal("1.50"), (1, 2))
    event = Listing(
        names=given,
        marks=[1.5, 2.5],
        moments=[NOW],
        rows=[["x"], []],
        prices={"a": 1.5},
        lines=[line, Line("b", None)],
        by_id={ID: {1: line}},
    )
    data, copy, immutable = codec.encode_event(event)
    assert not immutable
    answer = decoded(codec, copy, data)
    assert copy == answer == replace(event, names=["a", "b"])
    assert isinstance(copy, Listing)
    assert isinstance(answer, Listing)
    for name in ("names", "marks", "moments", "rows", "prices", "lines", "by_id"):
        assert len({id(getattr(each, name)) for each in (event, copy, answer)}) == 3
    copy.rows[0].append("y")
    assert (event.rows, answer.rows) == ([["x"], []], [["x"], []])


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("names", ["a", Text("b")], "names[1]"),
        ("marks", [1.5, nan], "marks[1]"),
        ("marks", (1.5,), "marks"),
        ("moments", [NOW, NOW.replace(tzinfo=None, fold=1)], "moments[1]"),
        ("rows", [["x"], [Colour.RED]], "rows[1][0]"),
        ("prices", {"a": nan}, "prices['a']"),
        ("prices", {Text("a"): 1.5}, "prices"),
        ("prices", {1: 1.5}, "prices"),
        ("lines", [Line("a", None), Line(Text("b"), None)], "lines[1].item"),
        ("lines", [Line("a", None, (1, True))], "lines[0].counts[1]"),
        ("lines", [Line("a", None, [1])], "lines[0].counts"),  # pyright: ignore[reportArgumentType]
        ("lines", [OldLine("a", None)], "lines[0]"),
        ("by_id", {ID: {1: Line("a", 1)}}, f"by_id[{ID!r}][1].price"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_a_list_with_one_other_value_is_refused(name: str, value: object, path: str) -> None:
    fields: Any = {"names": [], "marks": [], "moments": [], "rows": [], name: value}
    with pytest.raises(InvalidAppend) as caught:
        CODECS["json"].encode_event(Listing(**fields))
    if isinstance(caught.value, InexactEvent):
        assert caught.value.field == path


CHANGED: list[Any] = [
    ("value", ID, "value"),
    ("value", (1, 2), "value"),
    ("value", {"a": {1}}, "value['a']"),
    ("value", [1, {"when": date(2026, 1, 1)}], "value[1]['when']"),
    ("value", Decimal(1), "value"),
    ("value", Shape("a"), "value"),
    ("value", Colour.RED, "value"),
    ("value", bytearray(b"abc"), "value"),
    ("value", deque([1]), "value"),
    ("whole", Level.LOW, "whole"),
    ("text", Colour.RED, "text"),
    ("text", Text("a"), "text"),
    ("shape", Circle("c", radius=3), "shape"),
    ("shapes", [Shape("a"), Circle("c")], "shapes[1]"),
    ("shapes", (Shape("a"),), "shapes"),
    ("shape", Shape("a", [1, 2]), "shape.sides"),  # pyright: ignore[reportArgumentType]
    ("marks", [1, 2], "marks"),
    ("names", (Text("a"),), "names[0]"),
    ("names", "ab", "names"),
    ("by_name", defaultdict(float, a=2**53 + 1), "by_name['a']"),
    ("by_number", defaultdict(lambda: Shape("b"), {1: Shape("a")}), "by_number"),
    ("by_number", OrderedDict({1: Shape("a")}), "by_number"),
    ("unique", [1, 2], "unique"),
    ("deep", [("a", [1])], "deep[0]"),
    ("wrapped", [Wrapped(("a",), ("b",))], "wrapped[0].exact"),  # pyright: ignore[reportArgumentType]
    ("cells", {"row": ("a",), "all": ["a"]}, "cells['row']"),
    ("spot", Spot(("a",), ("b",)), "spot[1]"),  # pyright: ignore[reportArgumentType]
    ("by_number", {1: Circle("c")}, "by_number[1]"),
    ("tags", {"a"}, "tags"),
    ("number", 2**53 + 1, "number"),
    ("id", str(ID), "id"),
    ("moment", NOW.isoformat(), "moment"),
    ("moment", NOW.replace(tzinfo=None, fold=1), "moment"),
    ("amount", "1.0", "amount"),
    ("odd", Odd((1,)), "odd.number"),
    ("point", (1.0, 2.0), "point"),
    ("row", {"name": "a", "more": 1}, "row"),
    ("colour", "red", "colour"),
    ("level", 1, "level"),
]


@both
@pytest.mark.parametrize(("name", "value", "path"), CHANGED)
def test_what_would_come_back_as_something_else_is_refused(
    codec: Codec, name: str, value: object, path: str
) -> None:
    with pytest.raises(InvalidAppend) as caught:
        codec.encode_event(held(name, value))
    if isinstance(caught.value, InexactEvent):
        assert (caught.value.event, caught.value.field) == ("Held", path)
        assert f"Held.{path} is " in str(caught.value)
    assert "docs/reference/field-types.md" in str(caught.value)


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("name", ["number", "value", "temperature"])
def test_numbers_that_json_does_not_have_are_refused(name: str, value: float) -> None:
    with pytest.raises(InexactEvent, match=rf"Held\.{name} is .*, and would be read as None"):
        CODECS["json"].encode_event(held(name, value))
    _, copy, *_ = CODECS["messagepack"].encode_event(held(name, value))
    assert repr(getattr(copy, name)) == repr(value)


@pytest.mark.parametrize("name", ["value", "by_name"])
def test_they_are_refused_inside_containers(name: str) -> None:
    with pytest.raises(InvalidAppend):
        CODECS["json"].encode_event(held(name, {"a": nan}))


@pytest.mark.parametrize("zone", [BERLIN, timezone(timedelta(hours=2))])
def test_a_time_keeps_its_instant_and_in_json_its_offset(zone: Any) -> None:
    moment = NOW.astimezone(zone)
    for name, expected in (("json", moment), ("messagepack", NOW)):
        _, back, *_ = CODECS[name].encode_event(Held(moment=moment, moments={moment}))
        assert isinstance(back, Held)
        assert back.moment is not None
        assert back.moment.isoformat() == expected.isoformat()


def test_a_subclass_of_an_event_belongs_to_no_domain() -> None:
    class More(Held):
        pass

    with pytest.raises(KeyError):
        CODECS["json"].encode_event(More())


@both
@pytest.mark.parametrize(
    "event",
    [Plain(name="a", side=Side.LEFT), Fixed(names=("a", "b"), weights=(1.5,), rows=((1,), ()))],
)
def test_an_event_of_exact_values_that_cannot_change_is_not_copied(
    codec: Codec, event: Event
) -> None:
    data, copy, immutable = codec.encode_event(event)
    assert (copy is event, immutable) == (True, True)
    assert decoded(codec, copy, data) == event


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("names", ("a", Text("b")), "names[1]"),
        ("names", ["a"], "names"),
        ("names", Pair("a", "b"), "names"),
        ("weights", (nan,), "weights[0]"),
        ("rows", ((1,), (True,)), "rows[1][0]"),
    ],
)
def test_a_tuple_with_one_other_value_is_refused(name: str, value: object, path: str) -> None:
    fields: Any = {"names": (), "weights": (), "rows": (), name: value}
    with pytest.raises(InvalidAppend) as caught:
        CODECS["json"].encode_event(Fixed(**fields))
    if isinstance(caught.value, InexactEvent):
        assert caught.value.field == path


def test_the_values_of_personal_fields_are_not_in_the_error() -> None:
    with pytest.raises(InexactEvent) as caught:
        CODECS["json"].encode_event(About(person="1", name="Ada", extra=["Ada", ID]))
    assert str(ID) not in str(caught.value)
    assert caught.value.field == "extra[1]"
    assert (caught.value.given, caught.value.back) == (UUID, str)


@both
def test_what_was_forgotten_stays_so(codec: Codec) -> None:
    event: Any = About(person="1", name=FORGOTTEN, remark=FORGOTTEN)
    back: Any = codec.encode_event(event)[1]
    assert (back.name, back.remark) == (FORGOTTEN, None)
