"""Contract of the role `schedules`: commands for a later time, and recurring ones."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chekov.errors import TooManyRecurring
from chekov.store.port import CommandRun, RecurringCommand, ScheduledCommand, Store

PAST = datetime(2020, 1, 1, tzinfo=UTC)
LATER = datetime(2120, 1, 1, tzinfo=UTC)


def scheduled(due: datetime = PAST) -> ScheduledCommand:
    """A command with an id of its own; due long ago, unless `due` says otherwise."""
    return ScheduledCommand(uuid4(), "Deposit", b'{"amount":1}', due, uuid4(), b'{"tenant":"a"}')


def recurring(due: datetime = PAST) -> RecurringCommand:
    """A recurring command with an id of its own, whose next run is due long ago."""
    return RecurringCommand(
        uuid4(),
        "Deposit",
        b'{"amount":1}',
        due,
        "0 0 1 * *",
        "Europe/Berlin",
        "all",
        uuid4(),
        b"{}",
    )


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
        assert await store.schedules.next_due("bank", most_waiting=10) is None
        await store.schedules.add("bank", scheduled(datetime.now(UTC) + timedelta(hours=1)))
        left = await store.schedules.next_due("bank", most_waiting=10)
        assert left is not None
        assert 0 < left <= 3600
        await store.schedules.add("bank", scheduled())
        late = await store.schedules.next_due("bank", most_waiting=10)
        assert late is not None
        assert late < 0

    async def test_a_refused_command_is_kept_with_the_reason(self, store: Store) -> None:
        """It is neither taken nor due, but counted."""
        item = scheduled()
        await store.schedules.add("bank", item)
        assert await store.schedules.refused("bank") == 0
        await store.schedules.refuse("bank", item.id, "it\0hurts")
        assert await store.schedules.refused("bank") == 1
        assert await store.schedules.refused("shop") == 0
        assert not await store.schedules.take("bank", seconds=0)
        assert await store.schedules.next_due("bank", most_waiting=10) is None
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
        last = (first[-1].due, first[-1].id)
        assert await store.schedules.list("bank", after=last) == [items[0]]

    async def test_a_page_may_end_between_commands_that_are_due_at_once(self, store: Store) -> None:
        """Their ids tell them apart."""
        items = {item.id: item for item in (scheduled() for _ in range(5))}
        for item in items.values():
            await store.schedules.add("bank", item)
        found: list[ScheduledCommand] = []
        while page := await store.schedules.list(
            "bank", after=(found[-1].due, found[-1].id) if found else None, limit=2
        ):
            found += page
        assert [item.id for item in found] == sorted(items)

    async def test_a_recurring_command_is_kept_once_per_id(self, store: Store) -> None:
        """What is there already stays as it is."""
        item = recurring()
        assert await store.schedules.add_recurring("bank", item)
        assert not await store.schedules.add_recurring("bank", item._replace(command="Other"))
        assert await store.schedules.list_recurring("bank") == [item]
        assert await store.schedules.list_recurring("shop") == []
        assert await store.schedules.list_recurring("bank", after=(item.due, item.id)) == []

    async def test_a_recurring_command_is_due_until_it_is_moved(self, store: Store) -> None:
        """By one: who comes later moves nothing, and adds no run."""
        item, other = recurring(), recurring(LATER)
        for each in (item, other):
            await store.schedules.add_recurring("bank", each)
        late = await store.schedules.next_due("bank", most_waiting=10)
        assert late is not None
        assert late < 0
        [(due, now, waiting)] = await store.schedules.due_recurring("bank", most_waiting=2)
        assert (due, waiting) == (item, 0)
        assert PAST < now < LATER
        assert not await store.schedules.due_recurring("shop", most_waiting=2)
        runs = [CommandRun(uuid4(), item.data, PAST + timedelta(hours=hour)) for hour in (0, 1)]
        assert await store.schedules.schedule_runs("bank", item, runs, next_due=LATER)
        again = [CommandRun(uuid4(), item.data, PAST)]
        assert not await store.schedules.schedule_runs("bank", item, again, next_due=LATER)
        assert await store.schedules.due_recurring("bank", most_waiting=2) == []
        assert await store.schedules.list("bank") == [
            ScheduledCommand(
                run.id,
                item.command,
                item.data,
                run.due,
                item.correlation_id,
                item.metadata,
                recurring=item.id,
            )
            for run in runs
        ]
        taken = await store.schedules.take("bank", seconds=3600)
        assert [(one.id, one.data, one.recurring) for one in taken] == [
            (run.id, item.data, item.id) for run in runs
        ]

    async def test_a_domain_may_have_only_so_many_recurring_commands(self, store: Store) -> None:
        """What is there already, or was cancelled for its cause, is not refused."""
        first, second, gone = recurring(), recurring(), recurring()._replace(causation_id=uuid4())
        schedules = store.schedules
        assert await schedules.add_recurring("bank", gone, most=2)
        assert await schedules.cancel("bank", gone.id)
        assert await schedules.add_recurring("bank", first, most=2)
        assert await schedules.add_recurring("bank", second, most=2)
        with pytest.raises(TooManyRecurring, match="'bank' has 2 recurring commands") as refused:
            await schedules.add_recurring("bank", recurring(), most=2)
        assert (refused.value.domain, refused.value.most) == ("bank", 2)
        assert not await schedules.add_recurring("bank", second, most=2)
        assert not await schedules.add_recurring("bank", gone, most=2)
        assert await schedules.add_recurring("shop", recurring(), most=2)
        assert len(await schedules.list_recurring("bank")) == 2
        assert await schedules.cancel("bank", first.id)
        assert await schedules.add_recurring("bank", recurring(), most=2)

    async def test_callers_at_the_same_time_do_not_exceed_the_limit(self, store: Store) -> None:
        """As many are added as there is room for, whoever asks; those of others do not count."""
        schedules = store.schedules
        for domain in ("bank", "shop"):
            await schedules.add_recurring(domain, recurring(), most=3)
        answers = await asyncio.gather(
            *(
                schedules.add_recurring(domain, recurring(), most=3)
                for _ in range(12)
                for domain in ("bank", "shop")
            ),
            return_exceptions=True,
        )
        refused = [answer for answer in answers if isinstance(answer, TooManyRecurring)]
        assert (answers.count(True), len(refused)) == (4, 20)
        for domain in ("bank", "shop"):
            assert len(await schedules.list_recurring(domain)) == 3

    async def test_one_with_runs_that_wait_is_passed_over(self, store: Store) -> None:
        """Until enough of them are executed, or refused."""
        item, other = recurring(), recurring(PAST + timedelta(hours=1))
        schedules = store.schedules
        for each in (item, other):
            await schedules.add_recurring("bank", each)
        runs = [CommandRun(uuid4(), item.data, PAST) for _ in range(3)]
        await schedules.schedule_runs("bank", item, runs, next_due=PAST)
        await schedules.take("bank", seconds=3600)

        async def due(most_waiting: int) -> dict[UUID, int]:
            found = await schedules.due_recurring("bank", most_waiting=most_waiting)
            late = await schedules.next_due("bank", most_waiting=most_waiting)
            assert (late is not None and late < 0) == bool(found)
            return {each.item.id: each.waiting for each in found}

        assert await due(0) == {}
        assert await due(3) == {other.id: 0}
        assert await due(4) == {item.id: 3, other.id: 0}
        await schedules.remove("bank", runs[0].id)
        assert await due(3) == {item.id: 2, other.id: 0}
        await schedules.refuse("bank", runs[1].id, "no")
        assert await due(2) == {item.id: 1, other.id: 0}

    async def test_a_run_that_is_there_already_stays_as_it_is(self, store: Store) -> None:
        """The recurring command is moved nevertheless; it may be moved without any run."""
        item, taken = recurring(), scheduled()
        await store.schedules.add("bank", taken)
        await store.schedules.add_recurring("bank", item)
        run = CommandRun(taken.id, item.data, PAST)
        assert await store.schedules.schedule_runs("bank", item, [run], next_due=LATER)
        moved = item._replace(due=LATER)
        assert await store.schedules.schedule_runs("bank", moved, [], next_due=PAST)
        assert await store.schedules.list("bank") == [taken]

    async def test_the_last_refused_run_is_kept(self, store: Store) -> None:
        """Those before it would become ever more."""
        item, alone = recurring(), scheduled()
        await store.schedules.add_recurring("bank", item)
        await store.schedules.add("bank", alone)
        runs = [CommandRun(uuid4(), item.data, PAST) for _ in range(3)]
        await store.schedules.schedule_runs("bank", item, runs, next_due=LATER)
        for id_ in (alone.id, runs[0].id, runs[1].id):
            await store.schedules.refuse("bank", id_, "no")
        kept = {one.id: one.error for one in await store.schedules.list("bank")}
        assert kept == {alone.id: "no", runs[1].id: "no", runs[2].id: None}

    async def test_a_recurring_command_is_removed_with_its_runs(self, store: Store) -> None:
        """Once; and it is not moved any more."""
        item, other, alone = recurring(), recurring(LATER), scheduled()
        for each in (item, other):
            await store.schedules.add_recurring("bank", each)
        await store.schedules.add("bank", alone)
        runs = [CommandRun(uuid4(), item.data, PAST)]
        await store.schedules.schedule_runs("bank", item, runs, next_due=PAST)
        assert not await store.schedules.cancel("shop", item.id)
        assert await store.schedules.cancel("bank", item.id)
        assert not await store.schedules.cancel("bank", item.id)
        assert not await store.schedules.schedule_runs("bank", item, runs, next_due=LATER)
        assert await store.schedules.list("bank") == [alone]
        assert await store.schedules.list_recurring("bank") == [other]

    async def test_no_run_survives_that_is_scheduled_while_its_command_is_cancelled(
        self, store: Store
    ) -> None:
        for _ in range(30):
            item = recurring()
            await store.schedules.add_recurring("bank", item)
            runs = [CommandRun(uuid4(), b"{}", PAST)]
            _, cancelled = await asyncio.gather(
                store.schedules.schedule_runs("bank", item, runs, next_due=LATER),
                store.schedules.cancel("bank", item.id),
            )
            assert cancelled
            assert await store.schedules.list("bank") == []

    async def test_what_was_cancelled_does_not_come_back_for_its_cause(self, store: Store) -> None:
        """As an event that is delivered again would have it; for another one it does."""
        cause = uuid4()
        once = scheduled()._replace(causation_id=cause)
        again = recurring()._replace(causation_id=cause)
        schedules = store.schedules
        for _ in range(2):
            await schedules.add("bank", once)
            await schedules.add_recurring("bank", again)
            await schedules.cancel("bank", once.id)
            await schedules.cancel("bank", again.id)
        assert not await schedules.add("bank", once)
        assert not await schedules.add_recurring("bank", again)
        assert await schedules.list("bank") == []
        assert await schedules.list_recurring("bank") == []
        assert await schedules.add("shop", once)
        assert await schedules.add("bank", once._replace(causation_id=uuid4()))
        assert await schedules.add_recurring("bank", again._replace(causation_id=None))
        free = scheduled()
        for _ in range(2):
            assert await schedules.add("bank", free)
            assert await schedules.cancel("bank", free.id)

    async def test_runs_have_the_cause_of_their_command(self, store: Store) -> None:
        """And what is executed leaves nothing behind."""
        item = recurring()._replace(causation_id=uuid4())
        await store.schedules.add_recurring("bank", item)
        assert await store.schedules.list_recurring("bank") == [item]
        runs = [CommandRun(uuid4(), item.data, PAST)]
        await store.schedules.schedule_runs("bank", item, runs, next_due=LATER)
        [run] = await store.schedules.list("bank")
        assert run.causation_id == item.causation_id
        assert await store.schedules.remove("bank", run.id)
        assert await store.schedules.add("bank", run)
