"""Contract of the role `processes`: instances, outbox and timers of process managers."""

# ruff: noqa: S101 these are tests, for others to run

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chekov.errors import DuplicateCommand, Fenced
from chekov.store.port import (
    ChainedCommands,
    Claim,
    Failure,
    NewEvent,
    OutgoingCommand,
    ParkingEntry,
    PendingTimer,
    ProcessChanges,
    ProcessInput,
    ProcessState,
    QueuedCommand,
    Store,
    SubscriptionKey,
    instance_key,
)

KEY = SubscriptionKey("bank", "transfer")
LONG = 3600.0
BEGUN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATE = datetime(2020, 1, 1, tzinfo=UTC)
BEGUN_BY = UUID(int=7)


async def owned(store: Store, owner: str = "one", *, lease: float = LONG) -> Claim:
    """The process manager `KEY`, registered and owned."""
    await store.subscriptions.register([KEY])
    [claim] = await store.subscriptions.claim(owner, [KEY], lease=lease)
    return claim


def state(instance: str, data: bytes = b"{}") -> ProcessState:
    """An open instance."""
    return ProcessState(instance, BEGUN_BY, BEGUN, data)


def command(instance: str, data: bytes = b"{}") -> OutgoingCommand:
    """A command with an id of its own."""
    return OutgoingCommand(
        instance, BEGUN_BY, uuid4(), "Withdraw", data, uuid4(), uuid4(), b'{"tenant":"blue"}'
    )


def timer(instance: str, name: str = "late", due: datetime = LATE) -> PendingTimer:
    """A timer with an id of its own; due long ago, unless `due` says otherwise."""
    return PendingTimer(
        instance, name, uuid4(), due, None, b'{"n":1}', BEGUN_BY, uuid4(), None, None
    )


def instance_of(item: ProcessInput) -> str:
    """The instance that an input is for."""
    return item.sent.instance if isinstance(item, QueuedCommand) else item.instance


def _caused_by(queued: QueuedCommand) -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}", None, queued.sent.correlation_id, queued.sent.id)


class ProcessesContract:
    """Tests of `store.processes`."""

    async def test_a_state_is_kept_until_its_instance_finishes(self, store: Store) -> None:
        """Replaced by each newer one."""
        claim = await owned(store)
        changes = ProcessChanges(states=[state("a", b'{"step":1}'), state("b")])
        await store.processes.commit(claim, 1, changes)
        await store.processes.commit(claim, 2, ProcessChanges(states=[state("a", b"\0bytes")]))
        assert await store.processes.load(KEY, ["a", "b", "c"]) == {
            "a": state("a", b"\0bytes"),
            "b": state("b"),
        }
        await store.processes.commit(claim, 3, ProcessChanges(finished=["a", "absent"]))
        assert await store.processes.load(KEY, ["a"]) == {}
        assert await store.processes.load(KEY, []) == {}
        assert await store.processes.load(SubscriptionKey("bank", "transfer", 2), ["b"]) == {}

    async def test_changes_and_checkpoint_are_stored_together(self, store: Store) -> None:
        """A lower position does not move the checkpoint back."""
        claim = await owned(store)
        await store.processes.commit(claim, 5, ProcessChanges(states=[state("a")]))
        await store.processes.commit(claim, 0, ProcessChanges(states=[state("b")]))
        [row] = await store.subscriptions.list("bank")
        assert row.position == 5
        assert set(await store.processes.load(KEY, ["a", "b"])) == {"a", "b"}

    async def test_a_stale_owner_can_store_nothing(self, store: Store) -> None:
        """Neither states nor answers, nor can it set anything aside."""
        old = await owned(store, lease=0)
        late, sent = timer("a"), command("a")
        await store.processes.commit(old, 1, ProcessChanges(timers=[late], commands=[sent]))
        await store.subscriptions.claim("two", [KEY], lease=LONG)
        [queued] = await store.processes.pending(KEY)
        changes = ProcessChanges(
            finished=["a"], removed=[("a", "late")], states=[state("b")], commands=[command("b")]
        )
        with pytest.raises(Fenced):
            await store.processes.commit(old, 9, changes)
        with pytest.raises(Fenced):
            await store.processes.settle(old, [queued.number], {})
        with pytest.raises(Fenced):
            await store.processes.settle(old, [], {queued.number: b"{}"})
        for item in (queued, late):
            with pytest.raises(Fenced):
                await store.processes.set_aside(old, item, error="x")
            with pytest.raises(Fenced):
                await store.processes.set_aside(old, item, error="x", discarded="y")
        assert await store.processes.pending(KEY) == [queued]
        assert await store.processes.inputs(KEY) == [late]
        assert await store.processes.load(KEY, ["a", "b"]) == {}
        [row] = await store.subscriptions.list("bank")
        assert row.position == 1

    async def test_commands_wait_in_order_until_they_are_settled(self, store: Store) -> None:
        """Page after page; those of other process managers are not among them."""
        claim = await owned(store)
        sent = [command(f"i{number % 3}", b"%d" % number) for number in range(7)]
        numbers = await store.processes.commit(claim, 1, ProcessChanges(commands=sent[:4]))
        more = await store.processes.commit(claim, 2, ProcessChanges(commands=sent[4:]))
        assert not await store.processes.commit(claim, 2, ProcessChanges(states=[state("x")]))
        first = await store.processes.pending(KEY, limit=5)
        rest = await store.processes.pending(KEY, after=first[-1].number, limit=5)
        assert [item.sent for item in (*first, *rest)] == sent
        assert [item.number for item in (*first, *rest)] == [*numbers, *more]
        assert [item.refusal for item in first] == [None] * 5
        assert not await store.processes.pending(SubscriptionKey("bank", "other"))
        await store.processes.settle(claim, [first[0].number, first[2].number], {})
        await store.processes.settle(claim, [], {})
        left = [item.sent for item in await store.processes.pending(KEY)]
        assert left == [sent[1], *sent[3:]]

    async def test_a_refusal_is_an_input_until_it_is_answered(self, store: Store) -> None:
        """The command is not sent again."""
        claim = await owned(store)
        await store.processes.commit(
            claim, 1, ProcessChanges(commands=[command("a"), command("b")])
        )
        first, second = await store.processes.pending(KEY)
        await store.processes.settle(claim, [], {second.number: b"why", first.number: b"because"})
        assert not await store.processes.pending(KEY)
        assert await store.processes.inputs(KEY) == [
            first._replace(refusal=b"because"),
            second._replace(refusal=b"why"),
        ]
        await store.processes.commit(claim, 1, ProcessChanges(answered=[first.number]))
        [left] = await store.processes.inputs(KEY)
        assert left == second._replace(refusal=b"why")

    async def test_a_refused_command_can_no_longer_be_stored(self, store: Store) -> None:
        """A former owner that was stopped before its append may try to."""
        claim = await owned(store)
        await store.processes.commit(
            claim, 1, ProcessChanges(commands=[command("a"), command("b")])
        )
        first, second = await store.processes.pending(KEY)
        await store.processes.settle(claim, [second.number], {first.number: b"no"})
        await store.processes.settle(claim, [], {first.number: b"no"})
        await store.processes.commit(claim, 1, ProcessChanges(answered=[first.number]))
        for stream in ("s", "t"):
            with pytest.raises(DuplicateCommand):
                await store.append(stream, [_caused_by(first)], command_id=first.sent.id)
        await store.append("s", [_caused_by(second)], command_id=second.sent.id)
        assert await store.head() == 1

    async def test_a_refusal_stays_though_its_command_is_reported_as_executed(
        self, store: Store
    ) -> None:
        claim = await owned(store)
        await store.processes.commit(
            claim, 1, ProcessChanges(commands=[command("a"), command("b")])
        )
        first, second = await store.processes.pending(KEY)
        await store.processes.settle(claim, [], {first.number: b"no"})
        await store.processes.settle(claim, [first.number], {second.number: b"no"})
        assert await store.processes.inputs(KEY) == [
            first._replace(refusal=b"no"),
            second._replace(refusal=b"no"),
        ]

    async def test_a_command_that_is_stored_already_is_not_refused(self, store: Store) -> None:
        """A former owner did it after the refusal, and before that was kept."""
        claim = await owned(store)
        await store.processes.commit(
            claim, 1, ProcessChanges(commands=[command("a"), command("b")])
        )
        first, second = await store.processes.pending(KEY)
        await store.append("s", [_caused_by(first)], command_id=first.sent.id)
        refusals = {first.number: b"no", second.number: b"no"}
        await store.processes.settle(claim, [], refusals)
        assert not await store.processes.pending(KEY)
        assert await store.processes.inputs(KEY) == [second._replace(refusal=b"no")]

    async def test_each_instance_has_one_input_at_a_time(self, store: Store) -> None:
        """Refusals by the order of their commands come before timers by the time they are due."""
        claim = await owned(store)
        late = LATE + timedelta(hours=1)
        timers = [timer("b", "two", late), timer("b", "one"), timer("a"), timer("c", due=late)]
        sent = [command("a"), command("a")]
        await store.processes.commit(claim, 1, ProcessChanges(timers=timers, commands=sent))
        numbers = [item.number for item in await store.processes.pending(KEY)]
        await store.processes.settle(claim, [], dict.fromkeys(numbers, b"no"))
        refusal, *expired = await store.processes.inputs(KEY)
        assert isinstance(refusal, QueuedCommand)
        assert refusal.number == numbers[0]
        assert expired == [timers[1], timers[3]]
        assert len(await store.processes.inputs(KEY, limit=2)) == 2

    async def test_a_timer_replaces_the_one_of_its_name(self, store: Store) -> None:
        """It ends when it is removed, or with its instance."""
        claim = await owned(store)
        assert await store.processes.next_due(KEY) is None
        await store.processes.commit(claim, 1, ProcessChanges(timers=[timer("a"), timer("b")]))
        overdue = await store.processes.next_due(KEY)
        assert overdue is not None
        assert overdue < 0
        later = timer("a", due=datetime.now(UTC) + timedelta(hours=1))
        changes = ProcessChanges(removed=[("b", "late"), ("b", "absent")], timers=[later])
        await store.processes.commit(claim, 2, changes)
        assert not await store.processes.inputs(KEY)
        left = await store.processes.next_due(KEY)
        assert left is not None
        assert 0 < left <= 3600
        changes = ProcessChanges(finished=["a"], timers=[timer("a", "other")])
        await store.processes.commit(claim, 3, changes)
        assert await store.processes.inputs(KEY) == changes.timers

    async def test_a_parked_event_keeps_back_the_inputs_of_its_instance(self, store: Store) -> None:
        """Refusals and timers of other instances go on."""
        claim = await owned(store)
        changes = ProcessChanges(
            timers=[timer("a"), timer("b")], commands=[command("a"), command("b-a"), command("c")]
        )
        await store.processes.commit(claim, 1, changes)
        numbers = [item.number for item in await store.processes.pending(KEY)]
        await store.processes.settle(claim, [], dict.fromkeys(numbers, b"no"))
        appended = await store.append("s", [NewEvent(uuid4(), "t", b"{}")])
        entries = [
            ParkingEntry(appended.recorded[0], instance_key(KEY.name, "a"), Failure(1, "x")),
        ]
        await store.processes.commit(claim, 2, ProcessChanges(), parked=entries)
        free = await store.processes.inputs(KEY, limit=3)
        assert [instance_of(item) for item in free] == ["b-a", "c", "b"]
        await store.processes.commit(claim, 2, ProcessChanges(removed=[("b", "late")]))
        assert await store.processes.next_due(KEY) is None
        await store.processes.commit(claim, 2, ProcessChanges(), unpark=1)
        assert [instance_of(item) for item in await store.processes.inputs(KEY)] == [
            "a",
            "b-a",
            "c",
        ]
        assert await store.processes.next_due(KEY) is not None

    async def test_open_instances_are_listed_with_what_they_wait_for(self, store: Store) -> None:
        """By name, page by page."""
        claim = await owned(store)
        changes = ProcessChanges(
            states=[state(name) for name in ("c", "a", "b")],
            timers=[timer("b")],
            commands=[command("a"), command("b", b"1"), command("b", b"2")],
        )
        await store.processes.commit(claim, 1, changes)
        found = await store.processes.list("bank")
        assert [(item.key, item.state) for item in found] == [
            (KEY, state(name)) for name in ("a", "b", "c")
        ]
        assert [[queued.sent.data for queued in item.commands] for item in found] == [
            [b"{}"],
            [b"1", b"2"],
            [],
        ]
        assert [item.timers for item in found] == [[], changes.timers, []]
        page = await store.processes.list("bank", "transfer", after="a", limit=1)
        assert [item.state.instance for item in page] == ["b"]
        assert not await store.processes.list("bank", "other")
        assert not await store.processes.list("shop")

    async def test_what_is_left_of_a_chain_is_known(self, store: Store) -> None:
        """By correlation id: what is to be sent or handled, and whether that cannot be handled."""
        claim = await owned(store)
        one, two = uuid4(), uuid4()
        sent = [command("a")._replace(correlation_id=id_) for id_ in (one, one, two)]
        await store.processes.commit(claim, 1, ProcessChanges(commands=sent))
        first, second, third = await store.processes.pending(KEY)

        async def left() -> list[ChainedCommands]:
            return sorted(
                await store.processes.chained("bank", [one, two, uuid4()]),
                key=lambda item: item.correlation_id != one,
            )

        waiting = [ChainedCommands(id_, KEY.name, set_aside=False) for id_ in (one, two)]
        assert await left() == waiting
        assert not await store.processes.chained("shop", [one])
        assert not await store.processes.chained("bank", [])
        await store.processes.settle(claim, [first.number, third.number], {second.number: b"no"})
        assert await left() == waiting[:1]
        [refused] = await store.processes.inputs(KEY)
        await store.processes.set_aside(claim, refused, error="x")
        assert await left() == [ChainedCommands(one, KEY.name, set_aside=True)]
        await store.processes.commit(claim, 1, ProcessChanges(answered=[second.number]))
        assert await left() == []

    async def test_figures_say_how_much_there_is(self, store: Store) -> None:
        """Of each process manager that has anything."""
        assert not await store.processes.figures("bank")
        claim = await owned(store)
        changes = ProcessChanges(
            states=[state("a"), state("b")],
            timers=[timer("a"), timer("b", due=datetime.now(UTC) + timedelta(hours=1))],
            commands=[command("a")],
        )
        await store.processes.commit(claim, 1, changes)
        [found] = await store.processes.figures("bank")
        assert (found.key, found.instances, found.pending) == (KEY, 2, 1)
        assert 0 <= found.oldest < 60
        assert found.overdue > 3600
        assert not await store.processes.figures("shop")

    async def test_what_is_under_way_is_removed_with_the_subscription(self, store: Store) -> None:
        """States, commands and timers."""
        claim = await owned(store, lease=0)
        changes = ProcessChanges(
            states=[state("one")], commands=[command("one")], timers=[timer("one")]
        )
        await store.processes.commit(claim, 1, changes)
        assert await store.subscriptions.remove(KEY.domain, KEY.name, KEY.version)
        await owned(store)
        assert not await store.processes.load(KEY, ["one"])
        assert not await store.processes.inputs(KEY, limit=10)
        assert not await store.processes.pending(KEY)
