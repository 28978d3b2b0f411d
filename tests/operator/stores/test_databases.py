"""Where a store's database is, what it says, and how rarely it is asked."""

from base64 import b64encode
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from chekov.errors import StoreUnavailable
from chekov.store.memory import MemoryStore
from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov.store.postgres.inspect import Inspector, Progress, StoreStatus
from chekov_operator.api.event_store import Store
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import Key
from chekov_operator.stores.databases import Databases, Sought
from tests.operator.fake_api import FakeApi
from tests.operator.samples import store
from tests.operator.scene import BANK, MAIN, SECRET_PATH
from tests.waiting import until

DSN = "postgresql://chekov:s3cret@db.example:6432/bank"


@pytest.fixture
def databases(client: Client) -> Databases:
    return Databases(client, lambda _key: None, refresh_seconds=15, inspector=Reader)


def keep(api: FakeApi, value: str, key: str = "dsn") -> None:
    api.put(SECRET_PATH, {"data": {key: b64encode(value.encode()).decode()}})


async def test_the_dsn_is_read_from_the_secret(api: FakeApi, databases: Databases) -> None:
    keep(api, f"  {DSN}\n")
    assert (await databases.read(store())).host == "db.example:6432"


async def test_the_servers_of_the_reader_are_known_too(api: FakeApi, databases: Databases) -> None:
    keep(api, DSN)
    reader = store(readerConnection={"secretRef": {"name": "reader", "key": "uri"}})
    found = await databases.read(reader)
    assert (found.host, found.reader_host) == ("db.example:6432", None), "nobody else is stopped"
    value = b64encode(b"postgresql://reader@standby.example/bank").decode()
    api.put("/api/v1/namespaces/shops/secrets/reader", {"data": {"uri": value}})
    assert (await databases.read(reader)).reader_host == "standby.example:5432"


async def test_a_secret_is_read_again_after_a_change(api: FakeApi, databases: Databases) -> None:
    keep(api, DSN)
    await databases.read(store())
    keep(api, DSN.replace("db.example", "other.example"))
    assert (await databases.read(store())).host == "db.example:6432"
    assert sum("/secrets/" in request.path for request in api.requests) == 1
    databases.secret_changed("shops", "another")
    databases.secret_changed("elsewhere", "postgres")
    assert (await databases.read(store())).host == "db.example:6432"
    databases.secret_changed("shops", "postgres")
    assert (await databases.read(store())).host == "other.example:6432"


async def test_a_secret_is_read_again_when_the_database_cannot_be_reached(
    api: FakeApi, client: Client
) -> None:
    databases = Databases(client, lambda _key: None, refresh_seconds=15)
    keep(api, "postgresql://chekov:s3cret@127.0.0.1:1/bank")
    found = await databases.read(store())
    assert found.unreachable is not None
    assert found.unreachable.reason == "Unreachable"
    assert "127.0.0.1" in found.unreachable.message
    assert "s3cret" not in found.unreachable.message
    keep(api, "postgresql://chekov@127.0.0.1:2/bank")
    assert (await databases.read(store())).host == "127.0.0.1:2"


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
    fault = (await databases.read(store())).dsn_fault
    assert fault is not None
    assert fault.reason == reason
    assert "'postgres'" in fault.message
    assert value is None or value not in fault.message


async def test_an_unreadable_dsn_is_answered_with_how_to_write_it(
    api: FakeApi, databases: Databases
) -> None:
    keep(api, "postgresql://chekov:s3/kr1t@db/bank")
    fault = (await databases.read(store())).dsn_fault
    assert fault is not None
    assert "%40 for @" in fault.message
    assert "kr1t" not in fault.message


async def test_a_missing_key_is_reported_with_the_existing_ones(
    api: FakeApi, databases: Databases
) -> None:
    keep(api, DSN, key="url")
    fault = (await databases.read(store())).dsn_fault
    assert fault is not None
    assert fault.reason == "SecretKeyMissing"
    assert "'dsn'" in fault.message
    assert "url" in fault.message


async def test_a_fault_is_not_remembered(api: FakeApi, databases: Databases) -> None:
    assert not (await databases.read(store())).is_good
    keep(api, DSN)
    assert (await databases.read(store())).is_good


class Reader(Inspector):
    """An inspector that counts, and says what a test wants it to."""

    asked: ClassVar[list[str]] = []
    away: ClassVar[bool] = False
    usable: ClassVar[bool] = True

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.dsn = dsn

    async def status(self, schema: str) -> StoreStatus:
        self.asked.append(f"{self.dsn} {schema}")
        if self.away:
            raise StoreUnavailable("away")
        return StoreStatus("18.4", 1, 1, 7, 3, 8192, self.usable)

    async def progress(self, schema: str) -> Progress:
        del schema
        return Progress([], 7)


@pytest.fixture
async def polled(
    client: Client, monkeypatch: pytest.MonkeyPatch, changes: list[Key]
) -> AsyncGenerator[Databases]:
    """Databases that ask such a one."""
    monkeypatch.setattr(Reader, "asked", [])
    async with Databases(client, changes.append, refresh_seconds=3600, inspector=Reader) as found:
        yield found


@pytest.fixture
def changes() -> list[Key]:
    return []


async def test_a_store_is_read_in_the_background_and_its_change_is_told(
    api: FakeApi, polled: Databases, changes: list[Key]
) -> None:
    keep(api, DSN)
    assert polled.reading(store()) is None
    await until(lambda: changes)
    assert changes == [MAIN]
    found = polled.reading(store())
    assert found is not None
    assert found.host == "db.example:6432"
    assert found.state is not None
    assert found.progress == Progress([], 7)
    assert polled.last_reading(MAIN) == found
    assert Reader.asked == [f"{DSN} chekov"]


async def test_it_is_looked_for_events_that_a_bundle_waits_for(
    api: FakeApi, polled: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After what its own subscriptions have handled; those of former versions do not count."""
    rows = [_row("mails", 1, 40), _row("mails", 2, 50), _row("sums", 2, 60), _row("other", 1, 3)]

    async def progress(_: Inspector, schema: str) -> Progress:
        return Progress(rows, 70)

    asked: list[tuple[str, tuple[str, ...], int]] = []

    async def is_waiting(_: Inspector, schema: str, types: tuple[str, ...], after: int) -> bool:
        asked.append((schema, types, after))
        return True

    keep(api, DSN)
    monkeypatch.setattr(Reader, "progress", progress)
    monkeypatch.setattr(Reader, "is_waiting", is_waiting)
    assert (await polled.read(store())).waiting == {}
    polled.seek(MAIN, BANK, Sought("bank", frozenset({("mails", 2), ("sums", 2)}), ("opened",)))
    assert (await polled.read(store())).waiting == {BANK: True}
    assert asked == [("chekov", ("opened",), 50)]
    polled.forget_bundle(BANK)
    assert (await polled.read(store())).waiting == {}


def _row(name: str, version: int, position: int) -> SubscriptionRow:
    return SubscriptionRow(
        key=SubscriptionKey("bank", name, version),
        position=position,
        owner=None,
        epoch=1,
        state="running",
        error=None,
        parked=0,
        updated=datetime(2026, 11, 24, tzinfo=UTC),
    )


async def test_a_store_without_a_schema_has_no_subscriptions(
    api: FakeApi, polled: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(api, DSN)
    monkeypatch.setattr(Reader, "usable", False)
    assert (await polled.read(store())).progress is None


async def test_a_store_that_is_changed_to_another_place_is_read_anew(
    api: FakeApi, polled: Databases, changes: list[Key]
) -> None:
    keep(api, DSN)
    polled.reading(store())
    await until(lambda: changes)
    assert polled.reading(store(schema="other")) is None
    await until(lambda: len(changes) == 2)
    assert Reader.asked == [f"{DSN} chekov", f"{DSN} other"]


async def test_a_reader_that_is_named_later_or_changed_is_taken_up(
    api: FakeApi, polled: Databases, changes: list[Key]
) -> None:
    def put_reader(host: str) -> None:
        value = b64encode(f"postgresql://reader@{host}/bank".encode()).decode()
        api.put("/api/v1/namespaces/shops/secrets/reader", {"data": {"dsn": value}})

    def reader_host() -> str | None:
        reading = polled.reading(store(readerConnection={"secretRef": {"name": "reader"}}))
        assert reading is not None
        return reading.reader_host

    keep(api, DSN)
    put_reader("standby.example")
    polled.reading(store())
    await until(lambda: changes)
    assert reader_host() is None
    await until(lambda: len(changes) == 2)
    assert reader_host() == "standby.example:5432"
    put_reader("other.example")
    polled.secret_changed("shops", "reader")
    await until(lambda: len(changes) == 3)
    assert reader_host() == "other.example:5432"


async def test_changes_go_to_the_database_of_the_newest_dsn(api: FakeApi, client: Client) -> None:
    made: list[str] = []

    def make(dsn: str, _store: Store) -> MemoryStore:
        made.append(dsn)
        return MemoryStore()

    databases = Databases(client, lambda _key: None, refresh_seconds=15, store=make)
    keep(api, DSN)
    async with databases:
        for _ in range(3):
            async with databases.opened(store()):
                pass
        assert made == [DSN]
        rotated = DSN.replace("s3cret", "n3w")
        keep(api, rotated)
        databases.secret_changed("shops", "postgres")
        async with databases.opened(store()):
            pass
        assert made == [DSN, rotated]
        newest = DSN.replace("s3cret", "newest")
        keep(api, newest)
        with pytest.raises(StoreUnavailable):
            async with databases.opened(store()):
                raise StoreUnavailable("the password is not valid any more")
        async with databases.opened(store()):
            pass
        assert made[2:] == [newest], "the Secret was read again"


async def test_a_deleted_store_is_read_no_more(api: FakeApi, polled: Databases) -> None:
    keep(api, DSN)
    polled.reading(store())
    polled.forget(MAIN)
    assert polled.last_reading(MAIN) is None


async def test_stores_of_one_database_are_asked_by_one_inspector(
    api: FakeApi, client: Client
) -> None:
    made: list[str] = []

    def make(dsn: str) -> Reader:
        made.append(dsn)
        return Reader(dsn)

    keep(api, DSN)
    databases = Databases(client, lambda _key: None, refresh_seconds=15, inspector=make)
    await databases.read(store(schema="one"))
    await databases.read(store(schema="two"))
    assert made == [DSN]
