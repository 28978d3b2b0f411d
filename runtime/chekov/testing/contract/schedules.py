"""Contract of the role `schedules`: commands for a later time."""

# ruff: noqa: S101 these are tests, for others to run

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from chekov.store.port import ScheduledCommand, Store

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def scheduled(due: datetime = PAST) -> ScheduledCommand:
    """A command with an id of its own; due long ago, unless `due` says otherwise."""
    return ScheduledCommand(uuid4(), "Deposit", b'{"amount":1}', due, uuid4(), b'{"tenant":"a"}')


class SchedulesContract:
    """Tests of `store.schedules`."""

    async def test_a_command_is_scheduled_once_per_id(self, store: Store) -> None:
        """What is there already stays as it is."""
        item = scheduled()
        assert await store.schedules.add("bank", item)
        assert not await store.schedules.add("bank", item._replace(command="Other"))
        assert await store.schedules.add("shop", item)
        assert await store.schedules.list("bank") == [item]

    async def test_a_due_command_is_taken_by_one_for_some_time(self, store: Store) -> None:
        """The oldest first; afterwards it is due again."""
        later = datetime.now(UTC) + timedelta(hours=1)
        items = [scheduled(later), scheduled(PAST + timedelta(hours=1)), scheduled()]
        for item in items:
            await store.schedules.add("bank", item)
        [first] = await store.schedules.take("bank", seconds=3600, limit=1)
        assert (first.id, first.data, first.attempts) == (items[2].id, items[2].data, 1)
        [second] = await store.schedules.take("bank", seconds=0)
        assert second.id == items[1].id
        [again] = await store.schedules.take("bank", seconds=3600)
        assert (again.id, again.attempts) == (items[1].id, 2)
        assert not await store.schedules.take("bank", seconds=3600)
        assert not await store.schedules.take("shop", seconds=3600)

    async def test_the_next_one_is_known(self, store: Store) -> None:
        """In seconds from now, below 0 when it is late."""
        assert await store.schedules.next_due("bank") is None
        await store.schedules.add("bank", scheduled(datetime.now(UTC) + timedelta(hours=1)))
        left = await store.schedules.next_due("bank")
        assert left is not None
        assert 0 < left <= 3600
        await store.schedules.add("bank", scheduled())
        late = await store.schedules.next_due("bank")
        assert late is not None
        assert late < 0

    async def test_a_refused_command_is_kept_with_the_reason(self, store: Store) -> None:
        """It is neither taken nor due."""
        item = scheduled()
        await store.schedules.add("bank", item)
        await store.schedules.refuse("bank", item.id, "it\0hurts")
        assert not await store.schedules.take("bank", seconds=0)
        assert await store.schedules.next_due("bank") is None
        [kept] = await store.schedules.list("bank")
        assert kept.id == item.id
        assert (kept.error or "").endswith("hurts")

    async def test_a_command_is_removed_by_its_id(self, store: Store) -> None:
        """Once."""
        item, other = scheduled(), scheduled()
        for each in (item, other):
            await store.schedules.add("bank", each)
        assert await store.schedules.remove("bank", item.id)
        assert not await store.schedules.remove("bank", item.id)
        assert not await store.schedules.remove("shop", other.id)
        assert await store.schedules.list("bank") == [other]

    async def test_commands_are_listed_by_time(self, store: Store) -> None:
        """Page by page."""
        items = [scheduled(PAST + timedelta(hours=hour)) for hour in (3, 1, 2)]
        for item in items:
            await store.schedules.add("bank", item)
        first = await store.schedules.list("bank", limit=2)
        assert list(first) == [items[1], items[2]]
        assert await store.schedules.list("bank", after=first[-1].due) == [items[0]]
