"""Contract of the role `processes`: refusals and timers that cannot be handled."""

# ruff: noqa: S101 these are tests, for others to run

from collections.abc import Sequence
from uuid import uuid4

from chekov.store.port import (
    Claim,
    NewEvent,
    ParkingEntry,
    ProcessChanges,
    QueuedCommand,
    Store,
    instance_key,
)
from chekov.testing.contract.processes import KEY, LONG, command, instance_of, owned, state, timer


async def _with_inputs(
    store: Store, claim: Claim, *, timers: Sequence[str], refused: Sequence[str]
) -> None:
    """Give instances a due timer each, and refused commands."""
    changes = ProcessChanges(
        states=[state(name) for name in {*timers, *refused}],
        timers=[timer(name) for name in timers],
        commands=[command(name) for name in refused],
    )
    await store.processes.commit(claim, 1, changes)
    numbers = [item.number for item in await store.processes.pending(KEY)]
    await store.processes.settle(claim, [], dict.fromkeys(numbers, b"no"))


class SetAsideContract:
    """Tests of what `store.processes` sets aside."""

    async def test_what_is_set_aside_is_no_input_until_it_is_released(self, store: Store) -> None:
        """It keeps the reason."""
        claim = await owned(store)
        await _with_inputs(store, claim, timers=["a"], refused=["b"])
        inputs = await store.processes.inputs(KEY)
        for item in inputs:
            await store.processes.set_aside(claim, item, error="it\0hurts")
        assert not await store.processes.inputs(KEY)
        assert await store.processes.next_due(KEY) is None
        assert set(await store.processes.withheld(KEY)) == {"a", "b"}
        first, second = await store.processes.list("bank", "transfer")
        [late], [refused] = first.timers, second.commands
        assert (late.error or "").startswith("it")
        assert (refused.error or "").endswith("hurts")
        assert await store.processes.release("bank", "other") == 0
        assert await store.processes.release("bank", "transfer", instance="b") == 1
        assert await store.processes.inputs(KEY) == [refused._replace(retried=True)]
        assert await store.processes.release("bank", "transfer") == 1
        assert await store.processes.release("bank", "transfer") == 0
        assert [instance_of(item) for item in await store.processes.inputs(KEY)] == ["b", "a"]
        assert await store.processes.next_due(KEY) is not None
        assert set(await store.processes.withheld(KEY)) == {"a", "b"}
        [again] = await store.subscriptions.claim("one", [KEY], lease=LONG)
        assert again.parked_changes > claim.parked_changes

    async def test_what_is_set_aside_keeps_back_the_inputs_of_itsinstance_of(
        self, store: Store
    ) -> None:
        """Those of others go on; once released, it comes before all of them, and parked events."""
        claim = await owned(store)
        await _with_inputs(store, claim, timers=["a", "b"], refused=["a", "a", "c"])
        first, *_ = await store.processes.inputs(KEY)
        await store.processes.set_aside(claim, first, error="x")
        free = await store.processes.inputs(KEY)
        assert [instance_of(item) for item in free] == ["c", "b"]
        appended = await store.append("s", [NewEvent(uuid4(), "t", b"{}")])
        entries = [ParkingEntry(appended.recorded[0], instance_key(KEY.name, "a"))]
        await store.processes.commit(claim, 1, ProcessChanges(), parked=entries)
        await store.processes.release("bank", "transfer")
        again, *free = await store.processes.inputs(KEY)
        assert again == first._replace(error="x", retried=True)
        assert [instance_of(item) for item in free] == ["c", "b"]
        await store.processes.set_aside(claim, again, error="y")
        assert await store.processes.inputs(KEY) == free
        await store.processes.release("bank", "transfer")
        assert isinstance(again, QueuedCommand)
        await store.processes.commit(claim, 1, ProcessChanges(answered=[again.number]))
        assert await store.processes.inputs(KEY) == free
        assert not await store.processes.withheld(KEY)
        await store.processes.commit(claim, 1, ProcessChanges(), unpark=1)
        assert [instance_of(item) for item in await store.processes.inputs(KEY)] == ["a", "c", "b"]

    async def test_what_is_given_up_is_recorded(self, store: Store) -> None:
        """By its owner, or by somebody once it was set aside; then the others are next."""
        claim = await owned(store)
        await _with_inputs(store, claim, timers=["a", "b"], refused=["a", "c"])
        first, skipped, late = await store.processes.inputs(KEY)
        await store.processes.set_aside(claim, skipped, error="y", discarded="skipped")
        for item in (first, late):
            await store.processes.set_aside(claim, item, error="x")
        assert await store.processes.discard("bank", "other", reason="no") == 0
        assert await store.processes.discard("bank", "transfer", reason="a\0", instance="a") == 1
        [left] = await store.processes.inputs(KEY)
        assert instance_of(left) == "a"
        await store.processes.release("bank", "transfer")
        assert await store.processes.discard("bank", "transfer", reason="it was released") == 0
        [released, _] = sorted(await store.processes.inputs(KEY), key=instance_of, reverse=True)
        await store.processes.set_aside(claim, released, error="z", discarded="skipped too")
        found = await store.processes.discarded("bank", "transfer")
        assert [(item.key, item.instance, item.input, item.error) for item in found] == [
            (KEY, "c", "Withdraw", "y"),
            (KEY, "a", "Withdraw", "x"),
            (KEY, "b", "late", "z"),
        ]
        assert [item.reason for item in found][::2] == ["skipped", "skipped too"]
        assert isinstance(first, QueuedCommand)
        assert found[1].id == first.sent.id
        [second] = await store.processes.discarded(
            "bank", "transfer", after=found[0].number, limit=1
        )
        assert second == found[1]
        assert not await store.processes.discarded("bank", "other")

    async def test_an_event_for_several_instances_keeps_back_their_inputs(
        self, store: Store
    ) -> None:
        """Of each, until it is handled."""
        claim = await owned(store)
        await _with_inputs(store, claim, timers=["a", "b"], refused=["c"])
        appended = await store.append("s", [NewEvent(uuid4(), "t", b"{}")])
        also = (instance_key(KEY.name, "c"),)
        entry = ParkingEntry(appended.recorded[0], instance_key(KEY.name, "a"), also=also)
        await store.processes.commit(claim, 1, ProcessChanges(), parked=[entry])
        assert [instance_of(item) for item in await store.processes.inputs(KEY)] == ["b"]
        await store.processes.commit(claim, 1, ProcessChanges(), unpark=1)
        assert len(await store.processes.inputs(KEY)) == 3

    async def test_who_waits_for_an_event_behind_an_input_finds_out_that_it_is_set_aside(
        self, store: Store
    ) -> None:
        """Until somebody releases that, or gives it up."""
        claim = await owned(store)
        await _with_inputs(store, claim, timers=["a"], refused=["b"])
        late, refused = sorted(await store.processes.inputs(KEY), key=instance_of)
        events = (await store.append("s", [NewEvent(uuid4(), "t", b"{}") for _ in "abc"])).recorded
        entries = [
            ParkingEntry(event, instance_key(KEY.name, name))
            for name, event in zip("abc", events, strict=True)
        ]
        await store.processes.commit(claim, 3, ProcessChanges(), parked=entries)

        async def final() -> list[bool]:
            failed = store.subscriptions.failed
            return [(await failed("bank", first=at, last=at))[KEY] for at in (1, 2, 3)]

        assert await final() == [False, False, False]
        await store.processes.set_aside(claim, late, error="x")
        await store.processes.set_aside(claim, refused, error="x")
        assert await final() == [True, True, False]
        await store.processes.release("bank", "transfer", instance="a")
        assert await final() == [False, True, False]
        await store.processes.discard("bank", "transfer", reason="no")
        assert await final() == [False, False, False]
