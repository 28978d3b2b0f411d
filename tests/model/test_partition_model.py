"""Processes that come and go share the partitions of a handler: each event once, in its order."""

import asyncio
from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from chekov import Context, Domain, EventHandler, MemoryStore, Runtime, handle
from chekov.store.port import SubscriptionKey
from tests.model.state_machines import StoreMachine, check
from tests.unit.engine.counter_domain import Add, Added, Counter

MOST = 3
STREAMS = tuple("abcdef")
LEASE = 3600.0


class Noted(EventHandler, name="noted", partitions=5):
    """Notes what any process handles, by stream."""

    def __init__(self, noted: dict[str, list[int]]) -> None:
        self.noted = noted

    @handle
    async def added(self, event: Added, context: Context) -> None:
        await asyncio.sleep(0)  # for others to come in between, if they can
        self.noted.setdefault(context.stream, []).append(event.amount)


class PartitionMachine(StoreMachine):
    """Starts and stops processes, and adds to counters."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[str, list[int]] = {}
        self.added: dict[str, list[int]] = {}
        self.processes: list[Runtime] = []
        self.number = 0
        self.join()

    @rule()
    def join(self) -> None:
        if len(self.processes) < MOST:
            domain = Domain("counting", aggregates=[Counter], handlers=[Noted(self.noted)])
            runtime = Runtime(domain, store=self.store, lease=LEASE)
            self.processes.append(self.run(runtime.__aenter__()))

    @precondition(lambda self: len(self.processes) > 1)
    @rule(which=st.integers(0, MOST - 1))
    def leave(self, which: int) -> None:
        runtime = self.processes.pop(which % len(self.processes))
        self.run(runtime.__aexit__(None, None, None))

    @rule(which=st.integers(0, MOST - 1), names=st.lists(st.sampled_from(STREAMS), max_size=8))
    def add(self, which: int, names: list[str]) -> None:
        runtime = self.processes[which % len(self.processes)]
        for name in names:
            self.number += 1
            self.run(runtime.dispatch(Add(counter=name, amount=self.number)))
            self.added.setdefault(f"counter-{name}", []).append(self.number)

    @rule()
    def settle(self) -> None:
        """What was added is handled, and the shares differ by one at most."""
        runtime = self.processes[0]
        head = self.run(self.store.head())
        self.run(runtime.wait(head, timeout=60))
        assert self.noted == self.added
        self.run(self.shared())

    async def shared(self) -> None:
        async with asyncio.timeout(60):
            while True:
                owners = self.owners()
                shares = [len(keys) for keys in owners.values()]
                if sum(shares) == 5 and max(shares) - min(shares) <= 1:
                    return
                await asyncio.sleep(0.001)

    def owners(self) -> Mapping[int, list[SubscriptionKey]]:
        return {
            number: [key for key, item in runtime.subscriptions.items() if item.owned]
            for number, runtime in enumerate(self.processes)
        }

    def teardown(self) -> None:
        self.settle()
        for runtime in self.processes:
            self.run(runtime.__aexit__(None, None, None))
        super().teardown()


def test_partitions_in_memory_handle_each_event_once_and_in_order() -> None:
    check(PartitionMachine, MemoryStore, examples=25, steps=15)
