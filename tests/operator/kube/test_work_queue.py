"""The queue: one worker a key, pauses that grow, nothing lost and nothing done twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from chekov_operator.kube.kinds import Key
from chekov_operator.kube.work_queue import FIRST_SECONDS, LONGEST_SECONDS, WorkQueue
from chekov_operator.metrics import Metrics
from tests.operator.virtual_time import elapsed, run_virtually

BANK = Key("DomainBundle", "shops", "bank")
SHOP = Key("DomainBundle", "shops", "shop")
Sample: TypeAlias = float | None


class Work:
    """Remembers when each key was worked on."""

    def __init__(self) -> None:
        self.done: list[tuple[Key, float]] = []

    async def __call__(self, key: Key) -> None:
        self.done.append((key, elapsed()))

    def keys(self) -> list[Key]:
        return [key for key, _ in self.done]

    def times(self) -> list[float]:
        return [round(time, 6) for _, time in self.done]


def queue_of(metrics: Metrics | None = None) -> WorkQueue:
    return WorkQueue(metrics or Metrics(), jitter=lambda: 1.0)


async def worked(
    queue: WorkQueue, work: Callable[[Key], Awaitable[None]], seconds: float, *, workers: int = 1
) -> None:
    """Let the workers work for so long."""

    async def _stopping() -> None:
        await asyncio.sleep(seconds)
        raise _Over

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(queue.work(work))
            group.create_task(_stopping())
    except* _Over:
        pass


class _Over(Exception):
    pass


def test_a_key_that_is_added_often_is_worked_on_once() -> None:
    async def scenario() -> list[Key]:
        queue, work = queue_of(), Work()
        for _ in range(5):
            queue.add(BANK)
        queue.add(SHOP)
        await worked(queue, work, 1)
        return work.keys()

    assert run_virtually(scenario()) == [BANK, SHOP]


def test_a_key_that_changes_while_it_is_worked_on_is_worked_on_once_more() -> None:
    async def scenario() -> list[Key]:
        queue, work = queue_of(), Work()

        async def working(key: Key) -> None:
            await work(key)
            if len(work.done) == 1:
                queue.add(BANK)
                queue.add(BANK)
            await asyncio.sleep(1)

        queue.add(BANK)
        await worked(queue, working, 10)
        return work.keys()

    assert run_virtually(scenario()) == [BANK, BANK]


def test_no_two_workers_have_the_same_key() -> None:
    async def scenario() -> int:
        queue, busy, most = queue_of(), 0, 0

        async def working(_key: Key) -> None:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            queue.add(BANK)
            await asyncio.sleep(1)
            busy -= 1

        queue.add(BANK)
        await worked(queue, working, 10, workers=4)
        return most

    assert run_virtually(scenario()) == 1


def test_several_workers_work_on_several_keys() -> None:
    async def scenario() -> list[float]:
        queue, work = queue_of(), Work()

        async def working(key: Key) -> None:
            await work(key)
            await asyncio.sleep(1)

        queue.add(BANK)
        queue.add(SHOP)
        await worked(queue, working, 5, workers=2)
        return work.times()

    assert run_virtually(scenario()) == [0, 0]


def test_a_key_for_later_waits_for_its_time() -> None:
    async def scenario() -> list[float]:
        queue, work = queue_of(), Work()
        queue.add_after(BANK, 30)
        await worked(queue, work, 100)
        return work.times()

    assert run_virtually(scenario()) == [30]


def test_the_earliest_of_several_times_counts() -> None:
    async def scenario() -> list[float]:
        queue, work = queue_of(), Work()
        for seconds in (30, 10, 20):
            queue.add_after(BANK, seconds)
        await worked(queue, work, 100)
        return work.times()

    assert run_virtually(scenario()) == [10]


def test_a_change_goes_before_the_time_a_key_waits_for() -> None:
    async def scenario() -> list[float]:
        queue, work = queue_of(), Work()
        queue.add_after(BANK, 30)
        queue.add(BANK)
        await worked(queue, work, 100)
        return work.times()

    assert run_virtually(scenario()) == [0]


def test_pauses_double_with_each_failure_up_to_the_longest() -> None:
    async def scenario() -> list[float]:
        queue = queue_of()
        return [queue.retry(BANK) for _ in range(14)]

    pauses = run_virtually(scenario())
    assert pauses[:4] == [FIRST_SECONDS, FIRST_SECONDS * 2, FIRST_SECONDS * 4, FIRST_SECONDS * 8]
    assert pauses[-3:] == [LONGEST_SECONDS] * 3


def test_pauses_vary_so_that_failures_do_not_come_back_together() -> None:
    async def scenario() -> set[float]:
        queue = WorkQueue(Metrics())
        return {queue.retry(Key("DomainBundle", "shops", str(number))) for number in range(20)}

    pauses = run_virtually(scenario())
    assert len(pauses) > 1
    assert all(0.8 * FIRST_SECONDS <= pause <= 1.2 * FIRST_SECONDS for pause in pauses)


def test_a_failed_key_comes_back_after_its_pause() -> None:
    async def scenario() -> list[float]:
        queue, work = queue_of(), Work()

        async def failing(key: Key) -> None:
            await work(key)
            queue.retry(key)

        queue.add(BANK)
        await worked(queue, failing, 7.9)
        return work.times()

    assert run_virtually(scenario()) == [0, 0.5, 1.5, 3.5, 7.5]


def test_a_success_makes_the_next_pause_the_shortest() -> None:
    async def scenario() -> float:
        queue = queue_of()
        for _ in range(5):
            queue.retry(BANK)
        queue.reset_backoff(BANK)
        return queue.retry(BANK)

    assert run_virtually(scenario()) == FIRST_SECONDS


def test_a_key_that_is_forgotten_does_not_come_back() -> None:
    async def scenario() -> list[Key]:
        queue, work = queue_of(), Work()
        queue.retry(BANK)
        queue.add_after(BANK, 5)
        queue.forget(BANK)
        await worked(queue, work, 100)
        return work.keys()

    assert run_virtually(scenario()) == []


def test_depth_and_waits_are_measured() -> None:
    async def scenario() -> tuple[Sample, Sample, Sample]:
        metrics = Metrics()
        read = metrics.registry.get_sample_value
        queue, work = queue_of(metrics), Work()
        queue.add(BANK)
        queue.add(SHOP)
        before = read("chekov_operator_queue_depth")
        await worked(queue, work, 1)
        after = read("chekov_operator_queue_depth")
        return before, after, read("chekov_operator_queue_wait_seconds_count")

    assert run_virtually(scenario()) == (2, 0, 2)


def test_the_longest_wait_of_those_that_wait_is_known() -> None:
    metrics = Metrics()

    def oldest() -> Sample:
        return metrics.registry.get_sample_value("chekov_operator_queue_oldest_seconds")

    async def scenario() -> list[Sample]:
        queue, found = queue_of(metrics), [oldest()]
        queue.add(BANK)
        await asyncio.sleep(3)
        queue.add(SHOP)
        await asyncio.sleep(1)
        found.append(oldest())
        await worked(queue, Work(), 1)
        return [*found, oldest()]

    assert run_virtually(scenario()) == [0, 4, 0]
