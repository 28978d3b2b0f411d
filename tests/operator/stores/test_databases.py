"""Where a store's database is, what it says, and how rarely it is asked."""

import asyncio
from base64 import b64encode
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from chekov.errors import StoreUnavailable
from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov.store.postgres.inspect import Inspector, Progress
from chekov_operator.api.event_store import SecretKey
from chekov_operator.api.fault import Fault
from chekov_operator.kube.client import Client
from chekov_operator.stores.databases import Databases
from tests.operator.fake_api import FakeApi
from tests.operator.samples import store
from tests.operator.scene import MAIN, SECRET_PATH

SECRET = SecretKey("postgres", "dsn")
DSN = "postgresql://chekov:s3cret@db.example:6432/bank"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def databases(client: Client, clock: Clock) -> Databases:
    return Databases(client, clock)


def keep(api: FakeApi, value: str, key: str = "dsn") -> None:
    api.put(SECRET_PATH, {"data": {key: b64encode(value.encode()).decode()}})


async def test_the_dsn_is_read_from_the_secret(api: FakeApi, databases: Databases) -> None:
    keep(api, f"  {DSN}\n")
    assert await databases.dsn("shops", SECRET) == DSN


async def test_a_secret_is_asked_for_once_in_a_while(
    api: FakeApi, databases: Databases, clock: Clock
) -> None:
    keep(api, DSN)
    await databases.dsn("shops", SECRET)
    keep(api, DSN.replace("s3cret", "changed"))
    assert await databases.dsn("shops", SECRET) == DSN
    assert len(api.requests) == 1
    clock.now += 3600
    assert "changed" in str(await databases.dsn("shops", SECRET))


async def test_a_secret_is_read_again_when_the_database_cannot_be_reached(
    api: FakeApi, databases: Databases
) -> None:
    keep(api, "postgresql://chekov@127.0.0.1:1/bank")
    dsn = await databases.dsn("shops", SECRET)
    assert isinstance(dsn, str)
    fault = await databases.status(store(), dsn)
    assert isinstance(fault, Fault)
    assert fault.reason == "Unreachable"
    keep(api, DSN)
    assert await databases.dsn("shops", SECRET) == DSN


async def test_an_unreachable_database_is_named_without_its_password(
    databases: Databases,
) -> None:
    fault = await databases.status(store(), "postgresql://chekov:s3cret@127.0.0.1:1/bank")
    assert isinstance(fault, Fault)
    assert "127.0.0.1" in fault.message
    assert "s3cret" not in fault.message


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "SecretNotFound"),
        ("host=db user=chekov", "InvalidDsn"),
        ("mysql://db/bank", "InvalidDsn"),
        ("postgresql://chekov:a[b@db/bank", "InvalidDsn"),
        ("postgresql://chekov:123/s3cret@db/bank", "InvalidDsn"),
    ],
)
async def test_an_invalid_dsn_is_reported_without_being_shown(
    api: FakeApi, databases: Databases, value: str | None, reason: str
) -> None:
    if value is not None:
        keep(api, value)
    fault = await databases.dsn("shops", SECRET)
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    assert "'postgres'" in fault.message
    assert value is None or value not in fault.message


async def test_an_unreadable_dsn_is_answered_with_how_to_write_it(
    api: FakeApi, databases: Databases
) -> None:
    keep(api, "postgresql://chekov:s3/kr1t@db/bank")
    fault = await databases.dsn("shops", SECRET)
    assert isinstance(fault, Fault)
    assert "%40 for @" in fault.message
    assert "kr1t" not in fault.message


async def test_a_missing_key_is_reported_with_the_existing_ones(
    api: FakeApi, databases: Databases
) -> None:
    keep(api, DSN, key="url")
    fault = await databases.dsn("shops", SECRET)
    assert isinstance(fault, Fault)
    assert fault.reason == "SecretKeyMissing"
    assert "'dsn'" in fault.message
    assert "url" in fault.message


async def test_a_fault_is_not_remembered(api: FakeApi, databases: Databases) -> None:
    assert isinstance(await databases.dsn("shops", SECRET), Fault)
    keep(api, DSN)
    assert await databases.dsn("shops", SECRET) == DSN


async def test_without_a_secret_nothing_is_known_of_subscriptions(databases: Databases) -> None:
    assert await databases.progress(store(), "bank") is None


class Reader(Inspector):
    """An inspector that counts, and says what a test wants it to."""

    asked: ClassVar[list[str]] = []
    away: ClassVar[bool] = False

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.dsn = dsn

    async def progress(self, schema: str) -> Progress:
        self.asked.append(f"{self.dsn} {schema}")
        if self.away:
            raise StoreUnavailable("away")
        return Progress([row("bank"), row("shop")], 7)


def row(domain: str) -> SubscriptionRow:
    key, now = SubscriptionKey(domain, "balances"), datetime(2026, 11, 24, tzinfo=UTC)
    return SubscriptionRow(key, 7, "bank-1", 1, "running", None, 0, now)


@pytest.fixture
def reading(client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Databases:
    """Databases that ask such a one."""
    monkeypatch.setattr(Reader, "asked", [])
    return Databases(client, clock, Reader)


async def test_all_bundles_of_a_store_share_one_read(
    api: FakeApi, reading: Databases, clock: Clock
) -> None:
    keep(api, DSN)
    answers = await asyncio.gather(*(reading.progress(store(), "bank") for _ in range(5)))
    answers.append(await reading.progress(store(), "shop"))
    assert Reader.asked == [f"{DSN} chekov"]
    assert all(answers)
    domains = [one.rows[0].key.domain for one in answers if one and len(one.rows) == 1]
    assert domains == ["bank"] * 5 + ["shop"]
    clock.now += 1
    await reading.progress(store(), "bank")
    assert len(Reader.asked) == 2


async def test_stores_of_one_database_are_asked_by_one_inspector(
    api: FakeApi, client: Client
) -> None:
    made: list[str] = []

    def make(dsn: str) -> Reader:
        made.append(dsn)
        return Reader(dsn)

    keep(api, DSN)
    databases = Databases(client, inspector=make)
    await databases.progress(store(schema="one"), "bank")
    databases.forget(MAIN)
    await databases.progress(store(schema="two"), "bank")
    assert made == [DSN]


async def test_an_unreachable_database_has_no_subscriptions(
    api: FakeApi, reading: Databases, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(api, DSN)
    monkeypatch.setattr(Reader, "away", True)
    assert await reading.progress(store(), "bank") is None
    monkeypatch.setattr(Reader, "away", False)
    clock.now += 1
    assert await reading.progress(store(), "bank") is not None
