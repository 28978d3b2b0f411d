"""Instances on Postgres: idempotent commands, snapshots, past states and deletion."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chekov import Domain, Runtime
from chekov.errors import CommandIdReused, HistoryTruncated, StreamDeleted
from tests.integration.engine_domain import counting
from tests.unit.engine.counter_domain import Add, AddAtMost, Counter
from tests.unit.engine.snapshot_counter import KeptCounter, SnapshotLog
from tests.waiting import until

KEPT = Domain("counting", aggregates=[KeptCounter])
ONE = Add(counter="a", amount=1)


async def test_a_command_sent_to_two_processes_at_once_is_executed_once(dsn: str) -> None:
    keys = [uuid4() for _ in range(20)]
    async with Runtime(counting(), store=dsn) as one, Runtime(counting(), store=dsn) as two:
        answers = await asyncio.gather(
            *(
                runtime.dispatch(AddAtMost(counter=f"c-{n % 5}", amount=1, limit=4), command_id=key)
                for n, key in enumerate(keys)
                for runtime in (one, two, one)
            )
        )
        assert await one.store.head() == len(keys)
    for n in range(len(keys)):
        first, *others = sorted(answers[3 * n : 3 * n + 3], key=lambda item: item.repeated)
        assert not first.repeated
        assert others == [first._replace(repeated=True, recorded=list(first.recorded))] * 2


async def test_a_command_sent_again_after_a_restart_returns_the_stored_events(dsn: str) -> None:
    key = uuid4()
    async with Runtime(counting(), store=dsn) as runtime:
        first = await runtime.dispatch(ONE, command_id=key, metadata={"by": "ada"})
    async with Runtime(counting(), store=dsn) as runtime:
        again = await runtime.dispatch(ONE, command_id=key)
        assert again == first._replace(repeated=True, recorded=list(first.recorded))
        with pytest.raises(CommandIdReused):
            await runtime.dispatch(Add(counter="b", amount=1), command_id=key)
        assert await runtime.store.head() == 1


async def test_a_restarted_process_reads_a_snapshot_and_the_events_after_it(dsn: str) -> None:
    log = SnapshotLog()
    async with Runtime(KEPT, store=dsn, observers=[log]) as runtime:
        for _ in range(3):
            await runtime.dispatch(ONE)
        await until(lambda: log.outcomes == ["kept"])
        await runtime.dispatch(ONE)
        await runtime.store.streams.truncate("counter-a", before=3, erase=True)
    async with Runtime(KEPT, store=dsn, observers=[log]) as runtime:
        assert (await runtime.load(KeptCounter, "a")).state.amounts == [1, 1, 1, 1]
        assert log.read == [1]
        await runtime.store.snapshots.forget("counter-a")
    async with Runtime(KEPT, store=dsn) as runtime:
        with pytest.raises(HistoryTruncated):
            await runtime.dispatch(ONE)


async def test_an_instance_is_loaded_as_of_a_version_or_time(dsn: str) -> None:
    async with Runtime(counting(), store=dsn) as runtime:
        times = [(await runtime.dispatch(ONE)).recorded[0].time for _ in range(3)]
        for version, time in enumerate(times, 1):
            assert (await runtime.load(Counter, "a", at=version)).state.total == version
            assert (await runtime.load(Counter, "a", at=time)).version >= version
        assert (await runtime.load(Counter, "a", at=datetime.now(UTC))).version == 3


async def test_an_instance_is_deleted_for_every_process(dsn: str) -> None:
    async with Runtime(counting(), store=dsn) as one, Runtime(counting(), store=dsn) as two:
        await one.dispatch(ONE)
        await two.dispatch(ONE)
        assert await one.delete(Counter, "a") == 3
        for runtime in (one, two):
            for command in (ONE, Add(counter="a", amount=0)):
                with pytest.raises(StreamDeleted):
                    await runtime.dispatch(command)
        await two.delete(Counter, "a", erase=True)
        assert (await two.dispatch(ONE)).version == 1
        assert (await one.load(Counter, "a")).state.total == 1
