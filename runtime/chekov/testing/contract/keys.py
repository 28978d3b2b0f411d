"""Contract of the role `keys`."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
from uuid import uuid4

from chekov.store.port import Key, Store


def key(subject: str, secret: bytes = b"\0secret") -> Key:
    """A key to offer."""
    return Key(uuid4(), subject, secret)


class KeysContract:
    """Tests of `store.keys`."""

    async def test_a_key_is_found_by_its_subject_and_by_its_id(self, store: Store) -> None:
        """As it was offered; what is not there is left out."""
        ada, bob = key("ada"), key("bob-\u00e4\U0001f600", bytes(range(256)))
        assert await store.keys.live_keys([ada.subject]) == {}
        assert await store.keys.keys([ada.id]) == {}
        await store.keys.offer_keys([ada, bob])
        assert await store.keys.live_keys(["x", ada.subject, bob.subject]) == {
            ada.subject: ada,
            bob.subject: bob,
        }
        assert await store.keys.keys([uuid4(), ada.id, bob.id]) == {ada.id: ada, bob.id: bob}
        assert await store.keys.live_keys([]) == await store.keys.keys([]) == {}

    async def test_a_subject_has_one_live_key(self, store: Store) -> None:
        """The first one that was offered; a second changes nothing."""
        first, second, other = key("ada"), key("ada"), key("bob")
        await store.keys.offer_keys([first])
        await store.keys.offer_keys([second, other])
        assert await store.keys.live_keys(["ada", "bob"]) == {"ada": first, "bob": other}
        assert await store.keys.keys([second.id]) == {}

    async def test_processes_that_offer_keys_at_once_agree(self, store: Store) -> None:
        """Also when they name the same subjects in another order."""
        subjects = [f"s-{n}" for n in range(20)]

        async def agreed(names: list[str]) -> dict[str, Key]:
            await store.keys.offer_keys([key(name) for name in names])
            return dict(await store.keys.live_keys(names))

        found = await asyncio.gather(*(agreed(subjects[:: 1 - 2 * (n % 2)]) for n in range(8)))
        assert len(found[0]) == len(subjects)
        assert all(item == found[0] for item in found)

    async def test_a_forgotten_key_is_deleted_for_good(self, store: Store) -> None:
        """It is remembered as gone, and its subject may have another one."""
        first, other = key("ada"), key("bob")
        await store.keys.offer_keys([first, other])
        assert list(await store.keys.forget_keys(["ada", "nobody"])) == ["ada"]
        assert list(await store.keys.forget_keys(["ada"])) == []
        assert list(await store.keys.forget_keys([])) == []
        assert await store.keys.keys([first.id, other.id]) == {first.id: None, other.id: other}
        assert await store.keys.live_keys(["ada"]) == {}
        await store.keys.offer_keys([first._replace(id=uuid4())])
        assert (await store.keys.live_keys(["ada"]))["ada"].id != first.id
        assert await store.keys.keys([first.id]) == {first.id: None}

    async def test_forgetting_is_announced_and_counted(self, store: Store) -> None:
        """So that a process that missed the announcement can find out."""
        await store.keys.offer_keys([key("ada"), key("bob")])
        count = await store.keys.count_forgotten()
        seen = store.tail.drops.value
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(store.wait("keys", seen, 60))
            await asyncio.sleep(0)
            await store.keys.forget_keys(["ada"])
        assert waiting.result() > seen
        assert await store.keys.count_forgotten() == count + 1
        await store.keys.forget_keys(["bob", "ada", "nobody"])
        assert await store.keys.count_forgotten() == count + 2
