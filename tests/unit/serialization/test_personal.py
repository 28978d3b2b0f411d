"""Decoding what is forgotten: by every serializer, through upcasters, past the author's checks."""

import json
import zlib
from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from chekov import (
    FORGOTTEN,
    Aggregate,
    Domain,
    Event,
    MemoryStore,
    MessagePack,
    Origin,
    Personal,
    Serializer,
    apply,
    upcast,
)
from chekov.errors import InvalidAppend, Undecodable
from chekov.serialization.codec import Codec
from chekov.store.port import NewEvent, RecordedEvent
from chekov.store.sealing.master import MasterKeys
from chekov.store.sealing.store import SealedStore

T = TypeVar("T")
NOW = datetime(2027, 1, 2, tzinfo=UTC)


class Opened(Event, name="opened", revision=2):
    first: Personal[str]
    last: Personal[str]
    age: Personal[int] = 0
    when: Personal[datetime] = NOW
    photo: Personal[bytes] = b""
    tags: Personal[dict[str, Any]] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.first is not FORGOTTEN and not self.first.istitle():
            raise ValueError("a name begins with a capital")


@upcast("opened", to=Opened)
def with_two_names(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    del origin
    name = data["name"]
    if name is FORGOTTEN:
        return {"first": FORGOTTEN, "last": FORGOTTEN}
    first, _, last = name.partition(" ")
    return {"first": first, "last": last}


class Account(Aggregate, identity="account"):
    @apply
    def opened(self, event: Opened) -> None:
        del event


class Former(Event, name="opened"):
    """What was recorded before."""

    name: Personal[str]


class FormerAccount(Aggregate, identity="account"):
    @apply
    def opened(self, event: Former) -> None:
        del event


class Packed:
    """MessagePack, compressed: nothing in it can be recognised."""

    name = "packed"

    def encode(self, value: object, /) -> bytes:
        return zlib.compress(MessagePack().encode(value))

    def decoder(self, type_: type[T], /) -> Callable[[bytes], T]:
        read = MessagePack().decoder(type_)
        return lambda data: read(zlib.decompress(data))


def accounts(serializer: Serializer | None = None) -> Domain:
    return Domain("bank", aggregates=[Account], upcasters=[with_two_names], serializer=serializer)


def former(serializer: Serializer | None = None) -> Domain:
    return Domain("bank", aggregates=[FormerAccount], serializer=serializer)


def sealed(store: MemoryStore, domain: Domain) -> SealedStore:
    return SealedStore(store, domain, MasterKeys(), lambda: None)


def recorded(data: bytes) -> RecordedEvent:
    return RecordedEvent(1, "account-1", 1, uuid4(), "opened@2", data, None, None, None, NOW)


ADA = Opened(first="Ada", last="L", age=36, when=NOW, photo=b"\xff\0", tags={"$sealed": [1]})
NOBODY = Opened(
    first=FORGOTTEN,
    last=FORGOTTEN,
    age=FORGOTTEN,
    when=FORGOTTEN,
    photo=FORGOTTEN,
    tags=FORGOTTEN,
)


@pytest.mark.parametrize("serializer", [None, MessagePack(), Packed()])
async def test_values_of_all_types_come_back_or_are_forgotten(
    memory_store: MemoryStore, serializer: Serializer | None
) -> None:
    codec = Codec(accounts(serializer))
    async with sealed(memory_store, accounts(serializer)) as store:
        await store.append("account-1", [NewEvent(uuid4(), "opened@2", codec.encode(ADA))])
        [kept] = await memory_store.read_page()
        with pytest.raises(Undecodable, match="first is still encrypted"):
            codec.decode(kept)
        for expected in (ADA, NOBODY):
            [read] = await store.read_page()
            assert codec.decode(read) == expected
            assert codec.decode_page([read]) == [expected]
            await store.keys.forget_keys(["account-1"])


@pytest.mark.parametrize("serializer", [None, MessagePack(), Packed()])
async def test_upcasters_are_given_values_or_what_is_forgotten(
    memory_store: MemoryStore, serializer: Serializer | None
) -> None:
    data = Codec(former(serializer)).encode(Former(name="Ada Lovelace"))
    async with sealed(memory_store, former(serializer)) as store:
        await store.append("account-1", [NewEvent(uuid4(), "opened", data)])
    codec = Codec(accounts(serializer))
    async with sealed(memory_store, accounts(serializer)) as store:
        [read] = await store.read_stream("account-1")
        assert codec.decode(read) == Opened(first="Ada", last="Lovelace")
        await store.keys.forget_keys(["account-1"])
        [read] = await store.read_stream("account-1")
        assert codec.decode(read) == Opened(first=FORGOTTEN, last=FORGOTTEN)


def test_null_in_a_field_that_needs_a_value_is_forgotten() -> None:
    codec = Codec(accounts())
    event = Opened(first=FORGOTTEN, last="L")
    data = codec.encode(event)
    assert json.loads(data)["first"] is None
    assert codec.decode(recorded(data)) == event


def test_the_authors_checks_still_hold_for_the_rest() -> None:
    codec = Codec(accounts())
    with pytest.raises(InvalidAppend):
        codec.encode(Opened(first="Ada", last="L", age="old"))  # pyright: ignore[reportArgumentType]
    contents: list[Any] = [
        {"first": "ada", "last": "L"},
        {"first": "Ada"},
        {"first": {"$sealed": None}},
        {"first": {"$sealed": None}, "last": 7},
        {"first": {"$sealed": None, "more": 1}, "last": "L"},
        {"first": {"$sealed": "a.b"}, "last": "L"},
        [],
    ]
    for broken in contents:
        with pytest.raises(Undecodable):
            codec.decode(recorded(json.dumps(broken).encode()))


def test_what_is_forgotten_needs_nothing_else_to_be_there() -> None:
    codec = Codec(accounts())
    data = b'{"first":{"$sealed":null},"last":"L","unknown":1}'
    assert codec.decode(recorded(data)) == Opened(first=FORGOTTEN, last="L")
