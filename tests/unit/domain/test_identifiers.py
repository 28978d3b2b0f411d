"""One instance has one name: types and values that could give it two are refused."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType
from uuid import UUID, uuid4

import pytest

from chekov import Aggregate, Command, DefinitionError, Domain, Event, Identifier, apply, execute
from chekov.domain.identifiers import (
    StreamIdentifiers,
    identifier_fault,
    identifier_from,
    identifier_kind,
)

CopyId = NewType("CopyId", UUID)


class Colour(Enum):
    RED = "red"


class Text(str, Enum):  # noqa: UP042 whose text is not its value
    A = "a"


class Number(IntEnum):
    ONE = 1


class Done(Event):
    pass


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, str),
        (int, int),
        (UUID, UUID),
        (date, date),
        (Colour, Colour),
        (CopyId, UUID),
        (Annotated[int, "from 1"], int),
        (Literal["a", "b"], str),
    ],
    ids=str,
)
def test_types_of_which_each_value_has_one_text_name_instances(annotation: Any, kind: type) -> None:
    assert identifier_kind(annotation) is kind


@pytest.mark.parametrize(
    "annotation",
    [
        str | None, int | str, UUID | str, Literal["1", 1], float, Decimal, bool, datetime, bytes,
        tuple[str, int], list[str], object, Any, None,
    ],
    ids=str,
)  # fmt: skip
def test_other_types_are_refused_when_the_domain_is_built(annotation: Any) -> None:
    class Do(Command[Done]):
        thing: Identifier[annotation]  # pyright: ignore[reportInvalidTypeForm]

    class Thing(Aggregate, identity="thing"):
        @execute
        def do(self, command: Do) -> Iterable[Done]:
            yield Done()

        @apply
        def done(self, event: Done) -> None:
            pass

    with pytest.raises(DefinitionError, match=r"Do\.thing: an identifier of type .* expected str"):
        Domain("things", aggregates=[Thing])


def test_the_commands_of_an_aggregate_name_its_instances_by_one_type() -> None:
    class One(Command[Done]):
        thing: Identifier[CopyId]

    class Two(Command[Done]):
        thing: Identifier[UUID]

    class Three(Command[Done]):
        thing: Identifier[str]

    class Good(Aggregate, identity="good"):
        @execute
        def one(self, command: One) -> Iterable[Done]:
            yield Done()

        @execute
        def two(self, command: Two) -> Iterable[Done]:
            yield Done()

        @apply
        def done(self, event: Done) -> None:
            pass

    class Mixed(Good, identity="mixed"):
        @execute
        def three(self, command: Three) -> Iterable[Done]:
            yield Done()

    assert Domain("things", aggregates=[Good]).identifier_kind(Good) is UUID
    with pytest.raises(DefinitionError, match=r"several types \(.*UUID in .*One.*\): one instance"):
        Domain("things", aggregates=[Mixed])


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [
        ("a", str), ("a b\nc", str), ("\u65e5\u672c/\u00e9", str), ("..", str), ("-", str),
        ("07", str), ("A", str), (7, int), (-7, int), (uuid4(), UUID), (date(2026, 1, 2), date),
        (Colour.RED, Colour),
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_of_the_type_names_an_instance(identifier: object, kind: type) -> None:
    assert identifier_fault(identifier, kind) is None


@pytest.mark.parametrize(
    ("identifier", "kind", "fault"),
    [
        (None, str, "got None of type NoneType"),
        (None, UUID, "expected UUID, got None"),
        ("0192F0C1-0000-7000-8000-000000000001", UUID, "expected UUID, got '0192F0C1"),
        ("{0192f0c1-0000-7000-8000-000000000001}", UUID, "expected UUID"),
        (uuid4(), str, "expected str, got UUID"),
        ("007", int, "expected int, got '007' of type str"),
        ("+7", int, "expected int"),
        (7, str, "expected str, got 7 of type int"),
        (7.0, int, "expected int, got 7.0 of type float"),
        (True, int, "expected int, got True of type bool"),
        (Number.ONE, int, "expected int"),
        (Text.A, str, "expected str"),
        ("red", Colour, "expected Colour"),
        (datetime(2026, 1, 2, tzinfo=UTC), date, "expected date"),
        ("bob ", str, "white space"),
        ("\tbob", str, "white space"),
        ("bob\u00a0", str, "white space"),
        (" ", str, "white space"),
        ("e\u0301", str, "looks like '\u00e9': normalize"),
        ("\u212b", str, "normal form NFC"),
    ],
    ids=repr,
)
def test_a_value_that_could_be_another_instance_is_refused(
    identifier: object, kind: type, fault: str
) -> None:
    assert fault in str(identifier_fault(identifier, kind))


UUID_TEXT = "0192f0c1-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    "identifier",
    ["ada", "a-b", 7, -7, UUID(UUID_TEXT), date(2026, 11, 30), Colour.RED, Text.A, Number.ONE],
)
def test_an_identifier_is_read_back_from_its_text(identifier: object) -> None:
    kind: type = type(identifier)
    found = identifier_from(str(identifier), kind)
    assert (found, type(found)) == (identifier, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("007", int),
        ("seven", int),
        (UUID_TEXT.upper(), UUID),
        ("", UUID),
        ("20261130", date),
        ("red", Colour),
    ],
)
def test_a_text_that_no_identifier_has_is_read_as_none(text: str, kind: type) -> None:
    assert identifier_from(text, kind) is None


def test_the_identifier_follows_the_identity_of_an_aggregate() -> None:
    streams = StreamIdentifiers({"account": UUID, "bank": str, "bank-branch": int})
    assert streams.find(f"account-{UUID_TEXT}") == UUID(UUID_TEXT)
    assert streams.find("account-7") is None
    assert streams.find("bank-branch-7") == 7
    assert streams.find("bank-branch-x") == "branch-x"
    assert streams.find("bank-a-b") == "a-b"
    for stream in ("bank", "-bank", "other-7", "$bank-7", ""):
        assert streams.find(stream) is None
