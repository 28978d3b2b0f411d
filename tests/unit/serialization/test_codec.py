from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from chekov.domain.aggregate import Aggregate, apply, execute
from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event, Identifier
from chekov.errors import (
    DefinitionError,
    InvalidAppend,
    InvalidCommand,
    Undecodable,
    UnknownCommand,
)
from chekov.serialization.codec import (
    Codec,
    convert,
    decode_metadata,
    encode_metadata,
)
from chekov.serialization.schemas import schemas
from chekov.store.port import RecordedEvent

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)


@dataclass(frozen=True)
class Address:
    street: str
    lines: tuple[str, ...] = ()


class Opened(Event, name="account-opened"):
    owner: str
    address: Address | None = None
    at: datetime | None = None
    limit: Decimal = Decimal(0)
    score: float = 0.0
    tags: frozenset[str] = frozenset()


class Open(Command[Opened]):
    account_id: Identifier[UUID]
    owner: str
    address: Address | None = None
    amounts: list[int] = field(default_factory=list[int])
    at: datetime | None = None


class Account(Aggregate, identity="account"):
    owner: str = ""

    @execute
    def open(self, command: Open) -> list[Opened]:
        return [Opened(owner=command.owner)]

    @apply
    def opened(self, event: Opened) -> None:
        self.owner = event.owner


DOMAIN = Domain("bank", aggregates=[Account])
CODEC = Codec(DOMAIN)


def recorded(data: bytes, type_: str = "account-opened", version: int = 3) -> RecordedEvent:
    return RecordedEvent(9, "account-1", version, uuid4(), type_, data, None, None, None, NOW)


def body(**fields: str) -> bytes:
    """A valid command with some fields replaced by raw JSON, or left out when empty."""
    given = {"account_id": f'"{uuid4()}"', "owner": '"Ada"', **fields}
    return (
        "{" + ",".join(f'"{name}":{json}' for name, json in given.items() if json) + "}"
    ).encode()


def test_an_event_survives_the_way_there_and_back() -> None:
    event = Opened(
        owner="Ädä\0\n",
        address=Address("Long Street", ("a", "b")),
        at=NOW,
        limit=Decimal("0.10"),
        tags=frozenset({"x"}),
    )
    assert CODEC.decode(recorded(CODEC.encode(event))) == event


def test_a_command_survives_the_way_there_and_back() -> None:
    command = Open(account_id=uuid4(), owner="Ada", amounts=[1, 2], at=NOW)
    assert CODEC.decode_command("Open", CODEC.encode(command)) == command


def test_fields_that_a_stored_event_has_no_more_are_ignored() -> None:
    assert CODEC.decode(recorded(b'{"owner": "Ada", "gone": 1}')) == Opened(owner="Ada")


@pytest.mark.parametrize(
    ("event", "where"),
    [
        (lambda: Opened(owner=3), "owner"),  # pyright: ignore[reportArgumentType]
        (lambda: Opened(owner="Ada", score=float("nan")), "score"),
        (lambda: Opened(owner="Ada", address="nowhere"), "address"),  # pyright: ignore[reportArgumentType]
        (lambda: Opened(owner="Ada", limit=object()), "object"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_what_could_never_be_read_again_is_not_written(
    event: Callable[[], Opened], where: str
) -> None:
    with pytest.raises(InvalidAppend, match=where):
        CODEC.encode(event())


@pytest.mark.parametrize("data", [b"{}", b'{"owner": 1}', b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_stored_event_that_does_not_fit_says_which_it_is(data: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(recorded(data))
    error = caught.value
    assert (error.type, error.stream, error.version) == ("account-opened", "account-1", 3)


def test_content_of_an_unknown_serializer_is_told_from_broken_json() -> None:
    with pytest.raises(Undecodable, match=r"pass that one as Domain\(serializer=…\)"):
        CODEC.decode(recorded(b"\x81\xa5owner\xa3Ada"))
    with pytest.raises(Undecodable, match="JSON is malformed"):
        CODEC.decode(recorded(b"{owner"))


def test_an_unknown_stored_type_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="no event type of this name"):
        CODEC.decode(recorded(b"{}", "nobody-knows"))


def test_a_page_is_decoded_in_order() -> None:
    page = [recorded(f'{{"owner": "{n}"}}'.encode()) for n in range(5)]
    assert CODEC.decode_page(page) == [Opened(owner=str(n)) for n in range(5)]


def test_a_page_names_the_first_event_that_cannot_be_decoded() -> None:
    good = b'{"owner": "Ada"}'
    page = [recorded(good), recorded(b"{}", version=4), recorded(good, "unknown", version=5)]
    with pytest.raises(Undecodable) as caught:
        CODEC.decode_page(page)
    assert caught.value.version == 4


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (body(owner=""), "$.owner"),
        (body(owner="3"), "$.owner"),
        (body(account_id='"x"'), "$.account_id"),
        (body(address="{}"), "$.address.street"),
        (body(amounts='[1, "2"]'), "$.amounts[1]"),
        (body(amounts="[1.5]"), "$.amounts[0]"),
        (body(at='"yesterday"'), "$.at"),
        (body(ownr='"Ada"'), "$.ownr"),
        (b"[]", "$"),
        (b"3", "$"),
        (b"{", ""),
        (b"", ""),
        (b"\xff", ""),
        (b'{"amounts": ' + b"[" * 100_000, "$.amounts[0]"),
    ],
)
def test_a_command_that_does_not_fit_says_where(data: bytes, path: str) -> None:
    with pytest.raises(InvalidCommand) as caught:
        CODEC.decode_command("Open", data)
    assert caught.value.path == path
    assert str(caught.value)


def test_an_unknown_command_is_told_what_there_is() -> None:
    with pytest.raises(UnknownCommand, match="it knows Open"):
        CODEC.decode_command("Close", b"{}")


class Opaque:
    pass


class Strange(Event):
    what: Opaque


class Stranger(Event):
    what: int | Opaque


class Odd(Aggregate, identity="odd"):
    @apply
    def strange(self, event: Strange) -> None:
        del event

    @apply
    def stranger(self, event: Stranger) -> None:
        del event


def test_types_that_json_cannot_hold_are_found_at_the_start() -> None:
    with pytest.raises(DefinitionError) as caught:
        Codec(Domain("odd", aggregates=[Odd]))
    assert [fault.split()[0] for fault in caught.value.faults] == ["Strange.what", "Stranger.what"]
    assert all("Opaque" in fault for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("3", int, 3),
        ("true", bool, True),
        ("2.5", float, 2.5),
        ("Ada", str, "Ada"),
        (str(UUID(int=5)), UUID, UUID(int=5)),
        (NOW.isoformat(), datetime, NOW),
        ("1.10", Decimal, Decimal("1.10")),
    ],
)
def test_values_are_read_from_query_strings(text: str, type_: type[Any], value: object) -> None:
    assert convert(text, type_) == value


def test_a_query_string_that_does_not_fit_is_told() -> None:
    with pytest.raises(InvalidCommand):
        convert("three", int)


def test_schemas_describe_messages() -> None:
    (reference,), components = schemas([Open])
    assert reference == {"$ref": "#/components/schemas/Open"}
    assert components["Open"]["required"] == ["account_id", "owner"]
    assert components["Open"]["properties"]["account_id"]["format"] == "uuid"
    assert "Address" in components


def test_metadata_survives_and_its_absence_is_nothing() -> None:
    assert decode_metadata(encode_metadata({"a": {"b": 1}})) == {"a": {"b": 1}}
    assert encode_metadata({}) is None
    assert decode_metadata(None) == {}
    assert decode_metadata(b"[]") == {}
    with pytest.raises(InvalidCommand):
        encode_metadata({"a": Opaque()})
