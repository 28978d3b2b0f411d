"""Events as MessagePack, or as whatever a domain says, beside those that were written as JSON."""

import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov import (
    Aggregate,
    Command,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    Json,
    MessagePack,
    Origin,
    Serializer,
    apply,
    execute,
    upcast,
)
from chekov.errors import InvalidAppend, Undecodable
from chekov.serialization.codec import Codec
from chekov.serialization.serializers import as_json
from chekov.store.port import RecordedEvent

T = TypeVar("T")
NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)


class Weighed(Event, name="weighed", aliases=("measured",), revision=2):
    at: datetime
    id: UUID
    photo: bytes
    price: Decimal
    scores: dict[int, float]


class Weigh(Command[Weighed]):
    scales: Identifier[str]
    photo: bytes = b""


class Scales(Aggregate, identity="scales"):
    @execute
    def weigh(self, command: Weigh) -> list[Weighed]:
        return [weighed(photo=command.photo)]

    @apply
    def weighed(self, event: Weighed) -> None:
        del event


def weighed(**fields: Any) -> Weighed:
    given: dict[str, Any] = {
        "at": NOW,
        "id": UUID(int=7),
        "photo": b"\xff\0",
        "price": Decimal("1.10"),
        "scores": {1: 0.5},
    }
    return Weighed(**{**given, **fields})


def codec(serializer: Serializer | None, **options: Any) -> Codec:
    return Codec(Domain("weighing", aggregates=[Scales], serializer=serializer, **options))


def recorded(data: bytes, type_: str = "weighed@2") -> RecordedEvent:
    return RecordedEvent(9, "scales-1", 3, uuid4(), type_, data, None, None, None, NOW)


class Reversed:
    """What somebody else may bring: here, MessagePack from its end to its beginning."""

    name = "reversed"

    def encode(self, value: object, /) -> bytes:
        return b"#" + msgspec.msgpack.encode(value)[::-1]

    def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
        read = msgspec.msgpack.Decoder(type_).decode
        return lambda data: read(data[:0:-1])


@pytest.mark.parametrize("serializer", [None, Json(), MessagePack(), Reversed()])
def test_an_event_survives_the_way_there_and_back(serializer: Serializer | None) -> None:
    mine = codec(serializer)
    data = mine.encode(weighed())
    assert data.startswith(b"{") is (serializer is None or serializer.name == "json")
    for name in ("weighed@2", "measured"):
        assert mine.decode(recorded(data, name)) == weighed()
    assert mine.decode_page([recorded(data)] * 3) == [weighed()] * 3
    assert mine.decode_all(recorded(data)) == [weighed()]


@given(scores=st.dictionaries(st.integers(-9, 9), st.floats(allow_nan=False)), photo=st.binary())
def test_messagepack_holds_what_floats_and_bytes_can_be(
    scores: dict[int, float], photo: bytes
) -> None:
    mine = codec(MessagePack())
    event = weighed(scores=scores, photo=photo)
    assert mine.decode(recorded(mine.encode(event))) == event


def test_a_domain_that_changes_its_serializer_reads_what_it_stored_before() -> None:
    former, mine = codec(None).encode(weighed()), codec(MessagePack())
    page = [recorded(former), recorded(mine.encode(weighed()))]
    assert mine.decode_page(page) == [weighed()] * 2
    with pytest.raises(Undecodable, match=r"Domain\(serializer=…\)"):
        codec(None).decode_page(page)


def test_a_serializer_that_writes_json_and_reads_another_leads_back() -> None:
    class JsonForNow(MessagePack):
        def encode(self, value: object, /) -> bytes:
            return Json().encode(value)

    mine = codec(JsonForNow())
    written = mine.encode(weighed())
    assert written == Json().encode(weighed())
    page = [recorded(codec(MessagePack()).encode(weighed())), recorded(written)]
    assert mine.decode_page(page) == [weighed()] * 2


def test_what_could_never_be_read_again_is_not_written() -> None:
    with pytest.raises(InvalidAppend, match="scores"):
        codec(MessagePack()).encode(weighed(scores={1: "high"}))
    with pytest.raises(InvalidAppend, match="ints"):
        codec(MessagePack()).encode(weighed(scores={2**70: 1.0}))


def test_commands_are_json_whatever_events_are() -> None:
    mine = codec(MessagePack())
    command = Weigh(scales="a", photo=b"\xff")
    data = mine.encode(command)
    assert json.loads(data) == {"scales": "a", "photo": "/w=="}
    assert mine.decode_command("Weigh", data) == command


@pytest.mark.parametrize("data", [b"\x80", b"\x81", b"\xc1", b"#", b"{}", b"{"])
def test_content_that_does_not_fit_is_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        codec(MessagePack()).decode(recorded(data))
    assert (caught.value.type, caught.value.version) == ("weighed@2", 3)


def test_whatever_a_serializer_raises_makes_an_event_undecodable() -> None:
    class Failing(Reversed):
        def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
            del type_
            return pickle.loads

    with pytest.raises(Undecodable) as caught:
        codec(Failing()).decode(recorded(b"no pickle"))
    assert isinstance(caught.value.__cause__, pickle.UnpicklingError)


def test_a_type_that_a_serializer_refuses_is_found_at_the_start() -> None:
    class Picky(Reversed):
        def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
            if type_ is Weighed:
                raise ValueError("too heavy")
            return super().decoder(type_)

    with pytest.raises(DefinitionError, match="Weighed cannot be decoded by reversed: too heavy"):
        codec(Picky())


@upcast("weighed", to=Weighed)
def with_scores(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    assert (data["at"], data["photo"], data["price"]) == (
        "2024-05-06T07:08:09.123456Z",
        "/wA=",
        "1.10",
    )
    return {**data, "scores": {"1": data["score"]}}


@pytest.mark.parametrize(
    ("serializer", "score"),
    [(None, 0.5), (MessagePack(), 0.5), (MessagePack(), float("inf")), (Reversed(), 0.5)],
)
def test_an_upcaster_sees_the_values_of_json_whatever_wrote_them(
    serializer: Serializer | None, score: float
) -> None:
    former = {"at": NOW, "id": UUID(int=7), "photo": b"\xff\0", "price": Decimal("1.10")}
    data = (serializer or Json()).encode({**former, "score": score})
    mine = codec(serializer, upcasters=[with_scores])
    assert mine.decode(recorded(data, "weighed")) == weighed(scores={1: score})


def test_an_upcast_event_of_an_unknown_serializer_is_undecodable() -> None:
    mine = codec(None, upcasters=[with_scores])
    for data, text in ((b"\x80", r"serializer=…"), (b"{", "truncated"), (b"[]", "serializer=…")):
        with pytest.raises(Undecodable, match=text):
            mine.decode_all(recorded(data, "weighed"))


def test_content_is_shown_as_json() -> None:
    assert as_json(b'{"a": 1}') == b'{"a": 1}'
    shown = as_json(MessagePack().encode(weighed()))
    assert shown is not None
    assert json.loads(shown)["photo"] == "/wA="
    assert as_json(MessagePack().encode({"a": {1: float("nan")}})) == b'{"a":{"1":null}}'
    extension = msgspec.msgpack.encode({"a": msgspec.msgpack.Ext(5, b"x")})
    for data in (b"[1]", b"\x93\1\2\3", b"", b"\x81", b"\xff", extension, b"\x80more"):
        assert as_json(data) is None
