"""Commands inside one process."""

from collections import Counter
from types import SimpleNamespace
from typing import cast

from benchmarks import history
from benchmarks.domain import Add, commands
from benchmarks.in_process import Dispatched, aggregates_for, dispatch, warm
from benchmarks.measure import Load
from chekov import MemoryStore, Runtime
from chekov.errors import WrongExpectedVersion


async def test_every_acknowledged_command_is_in_the_history() -> None:
    async with Runtime(commands, store=MemoryStore()) as runtime:
        acknowledged = Counter(await warm(runtime, "x", 8))
        done = await dispatch(runtime, Load("x", 4, count=20), 8)
        acknowledged.update(done.streams)
        assert await history.check(runtime.store, acknowledged) == 28
        assert set(done.streams) <= {f"counter-x-{number}" for number in range(8)}


async def test_a_second_process_sends_commands_to_the_same_aggregates() -> None:
    async def streams(load: Load) -> Dispatched:
        async with Runtime(commands, store=MemoryStore()) as runtime:
            return await dispatch(runtime, load, 4)

    first, second = Load("x", 2, count=100), Load("x", 2, count=100, first=2)
    assert set((await streams(first)).streams) == set((await streams(second)).streams)


class Contended:
    """Loses every retry of the first commands to another process."""

    def __init__(self, failures: int) -> None:
        self._failures = failures

    async def dispatch(self, command: Add) -> SimpleNamespace:
        if self._failures:
            self._failures -= 1
            raise WrongExpectedVersion("counter-x-0", 1, 2)
        return SimpleNamespace(stream=f"counter-{command.counter}")


async def test_a_command_that_lost_every_retry_is_sent_again() -> None:
    done = await dispatch(cast("Runtime", Contended(2)), Load("x", 1, count=3), 1)
    assert done.refused == 2
    assert done.streams == {"counter-x-0": 3}
    assert done.rate.count == 3


def test_each_worker_has_aggregates_of_its_own() -> None:
    assert [aggregates_for(n) for n in (1, 16, 64, 256)] == [200, 200, 256, 1024]
