"""Objects that specs name: how often they are read, and who learns of a change."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import pytest

from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET, Key
from chekov_operator.kube.referenced_objects import UNWATCHED_SECONDS, ReferencedObjects
from tests.operator.fake_api import FakeApi
from tests.waiting import until

BANK = Key("DomainBundle", "shops", "bank")
SHOP = Key("DomainBundle", "shops", "shop")
KEYS = SECRET.path("shops", "keys")
NAMED = Key("Secret", "shops", "keys")


class Followed:
    """What specs name, followed as in the operator, with all that was reported."""

    def __init__(self, client: Client, *namespaces: str) -> None:
        self.now = 0.0
        self.reported: list[tuple[Key, set[Key]]] = []
        self.objects = ReferencedObjects(client, namespaces, self._changed, clock=lambda: self.now)

    @asynccontextmanager
    async def running(self, api: FakeApi, streams: int = 3) -> AsyncGenerator[None]:
        task = asyncio.create_task(self.objects.run())
        try:
            await until(lambda: api.watches.opened >= streams)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def version(self, owner: Key = BANK) -> str | None:
        found = await self.objects.get(owner, SECRET, "keys")
        return None if found is None else found.version("one")

    def _changed(self, reference: Key, owners: Iterable[Key]) -> None:
        self.reported.append((reference, set(owners)))


@pytest.fixture
def followed(client: Client) -> Followed:
    return Followed(client)


def reads(api: FakeApi) -> int:
    return sum(request.path == KEYS for request in api.requests)


async def test_an_object_is_read_once_for_all_that_name_it(
    api: FakeApi, followed: Followed
) -> None:
    api.put(KEYS, {"data": {"one": "MQ=="}})
    one, two = await asyncio.gather(followed.version(), followed.version(SHOP))
    assert one == two != ""
    assert await followed.version() == one
    assert reads(api) == 1


@pytest.mark.parametrize("namespaces", [(), ("shops",)])
async def test_a_change_reaches_all_that_name_the_object(
    api: FakeApi, client: Client, namespaces: tuple[str, ...]
) -> None:
    followed = Followed(client, *namespaces)
    api.put(KEYS, {"data": {"one": "MQ=="}})
    async with followed.running(api):
        before = await followed.version()
        await followed.version(SHOP)
        api.put(SECRET.path("shops", "others"), {})
        api.put(CONFIG_MAP.path("shops", "keys"), {})
        api.put(KEYS, {"data": {"one": "Mg=="}})
        await until(lambda: followed.reported)
        assert followed.reported == [(NAMED, {BANK, SHOP})]
        assert await followed.version() not in (None, before)


async def test_an_object_that_appears_or_goes_is_reported(api: FakeApi, followed: Followed) -> None:
    async with followed.running(api):
        assert await followed.version() is None
        api.put(KEYS, {"data": {"one": "MQ=="}})
        await until(lambda: len(followed.reported) == 1)
        assert await followed.version()
        api.remove(KEYS)
        await until(lambda: len(followed.reported) == 2)
        assert await followed.version() is None


async def test_streams_that_end_go_on_without_a_gap(api: FakeApi, followed: Followed) -> None:
    api.put(KEYS, {"data": {"one": "MQ=="}})
    async with followed.running(api):
        await followed.version()
        api.watches.cut()
        api.put(KEYS, {"data": {"one": "Mg=="}})
        await until(lambda: followed.reported)
        assert reads(api) == 1


async def test_after_an_outage_everything_is_read_again(
    api: FakeApi, followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    api.put(KEYS, {"data": {"one": "MQ=="}})
    async with followed.running(api):
        before = await followed.version()
        api.away = True
        api.watches.cut()
        await until(lambda: "are not followed" in caplog.text, 60)
        api.put(KEYS, {"data": {"one": "Mg=="}})
        api.away = False
        await until(lambda: followed.reported, 60)
        assert await followed.version() != before


async def test_without_the_right_to_watch_it_is_read_again_after_a_while(
    api: FakeApi, followed: Followed
) -> None:
    api.put(KEYS, {"data": {"one": "MQ=="}})
    before = await followed.version()
    api.put(KEYS, {"data": {"one": "Mg=="}})
    followed.now = UNWATCHED_SECONDS
    assert await followed.version() == before
    followed.now = UNWATCHED_SECONDS + 1
    assert await followed.version() != before


async def test_a_failed_read_is_tried_again(api: FakeApi, followed: Followed) -> None:
    api.put(KEYS, {"data": {"one": "MQ=="}})
    api.fail("GET", "keys", 403, "Forbidden")
    with pytest.raises(ApiError):
        await followed.version()
    assert await followed.version()


async def test_what_an_owner_names_no_more_is_reported_to_it_no_more(
    api: FakeApi, followed: Followed
) -> None:
    api.put(KEYS, {"data": {"one": "MQ=="}})
    await followed.version()
    await followed.objects.get(BANK, CONFIG_MAP, "keys")
    followed.objects.retain(BANK, [(CONFIG_MAP.name, "keys")])
    followed.objects.invalidate([NAMED])
    assert followed.reported == []
    followed.objects.invalidate([Key("ConfigMap", "shops", "keys")])
    assert [reference.kind for reference, _ in followed.reported] == ["ConfigMap"]
    followed.objects.retain(SHOP, [])
    await followed.version()
    assert reads(api) == 2


async def test_what_nobody_names_any_more_is_dropped(api: FakeApi, followed: Followed) -> None:
    api.put(KEYS, {"data": {"one": "MQ=="}})
    await followed.version()
    await followed.version(SHOP)
    followed.objects.forget(BANK)
    await followed.version(SHOP)
    assert reads(api) == 1
    followed.objects.forget(SHOP)
    followed.objects.invalidate([NAMED])
    assert followed.reported == []
    await followed.version(SHOP)
    assert reads(api) == 2
