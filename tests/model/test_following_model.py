"""Two processes over one store: a cached state is always that of a prefix of its stream.

One of them stores what the other hears of. Whatever is appended, deleted, erased and begun anew,
and whatever the follower of the log misses meanwhile: a cached state is what the first events of
one stream make, of the one that now has the name or of one that had it before.
"""

import asyncio
from collections.abc import Iterable
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from chekov import Aggregate, Domain, MemoryStore, Runtime, apply, execute
from chekov.errors import StoreUnavailable, StreamDeleted, StreamNotFound
from chekov.store.port import NewEvent
from tests.model.state_machines import StoreMachine, check
from tests.unit.engine.commands.elsewhere import Elsewhere
from tests.unit.engine.counter_domain import Add, AddAtMost, Added, TooMuch

NAMES = st.sampled_from("ab")
PROCESSES = st.integers(0, 1)
AMOUNTS = st.integers(1, 9)


class Remembering(Aggregate, identity="counter"):
    """Has the amounts of all its events."""

    amounts: tuple[int, ...] = ()

    @execute
    def add(self, command: Add) -> Iterable[Added]:
        yield Added(amount=command.amount)

    @execute
    def add_at_most(self, command: AddAtMost) -> Iterable[Added]:
        if sum(self.amounts) + command.amount > command.limit:
            raise TooMuch
        yield Added(amount=command.amount)

    @apply
    def added(self, event: Added) -> None:
        self.amounts += (event.amount,)


DOMAIN = Domain("counting", aggregates=[Remembering])


class FollowingMachine(StoreMachine):
    """Remembers, for each name, every stream that had it: the position and amount of each event."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: dict[str, list[list[tuple[int, int]]]] = {name: [[]] for name in "ab"}
        self.deleted: set[str] = set()
        assert isinstance(self.store, MemoryStore)
        self.elsewhere = Elsewhere(self.store)
        self.runtimes = [self.started(self.store), self.started(self.elsewhere)]

    def started(self, store: MemoryStore) -> Runtime:
        runtime = Runtime(DOMAIN, store=store, subscriptions=False)
        return self.run(runtime.__aenter__())

    def teardown(self) -> None:
        for runtime in self.runtimes:
            self.run(runtime.__aexit__(None, None, None))
        super().teardown()

    def is_mistaken(self, process: int, name: str) -> bool:
        """Whether a process holds a former instance, and cannot tell it from one that is as long.

        It can once it has followed the log, or reads the stream for another reason.
        """
        instance = self.runtimes[process].engine.dispatcher.aggregates.cached(f"counter-{name}")
        stream = self.streams[name][-1]
        if instance is None or not instance.version or len(stream) != instance.version:
            return False
        return instance.position != stream[-1][0]

    @rule(process=PROCESSES, name=NAMES, amounts=st.lists(AMOUNTS, min_size=1, max_size=3))
    def add(self, process: int, name: str, amounts: list[int]) -> None:
        if self.is_mistaken(process, name):
            return
        for amount in amounts:
            command = Add(counter=name, amount=amount)
            try:
                done = self.run(self.runtimes[process].dispatch(command))
            except StreamDeleted:
                assert name in self.deleted
                return
            self.streams[name][-1].append((done.position, amount))
            assert done.version == len(self.streams[name][-1])

    @rule(process=PROCESSES, name=NAMES, spare=st.integers(-1, 1))
    def add_at_most(self, process: int, name: str, spare: int) -> None:
        if self.is_mistaken(process, name):
            return
        total = sum(amount for _, amount in self.streams[name][-1])
        command = AddAtMost(counter=name, amount=1, limit=total + spare)
        try:
            done = self.run(self.runtimes[process].dispatch(command))
        except TooMuch:
            assert spare <= 0
        except StreamDeleted:
            assert name in self.deleted
        else:
            assert spare == 1
            self.streams[name][-1].append((done.position, 1))

    @rule(name=NAMES, amounts=st.lists(AMOUNTS, min_size=1, max_size=4))
    def append(self, name: str, amounts: list[int]) -> None:
        """What neither of the two dispatched."""
        events = [NewEvent(uuid4(), "Added", b'{"amount": %d}' % amount) for amount in amounts]
        try:
            done = self.run(self.store.append(f"counter-{name}", events))
        except StreamDeleted:
            assert name in self.deleted
            return
        positions = [event.position for event in done.recorded]
        self.streams[name][-1] += zip(positions, amounts, strict=True)

    @rule(name=NAMES, erase=st.booleans())
    def delete(self, name: str, *, erase: bool) -> None:
        """By somebody else: neither of the two knows."""
        try:
            self.run(self.store.streams.delete(f"counter-{name}", erase=erase))
        except (StreamNotFound, StreamDeleted):
            return
        self.deleted.discard(name)
        if erase:
            self.streams[name].append([])
        else:
            self.deleted.add(name)

    @rule(process=PROCESSES, name=NAMES)
    def load(self, process: int, name: str) -> None:
        try:
            loaded = self.run(self.runtimes[process].load(Remembering, name))
        except StreamDeleted:
            assert name in self.deleted
        except StreamNotFound:
            assert not self.streams[name][-1]
        else:
            amounts = tuple(amount for _, amount in self.streams[name][-1])
            assert (loaded.version, loaded.state.amounts) == (len(amounts), amounts)

    @rule(process=PROCESSES, name=NAMES, turns=st.integers(0, 6))
    def interrupt(self, process: int, name: str, turns: int) -> None:
        """Hold an instance for a while, and cancel whoever waits for it."""
        instance = self.runtimes[process].engine.dispatcher.aggregates.cached(f"counter-{name}")
        if instance is None or instance.busy:
            return

        async def hold() -> None:
            await instance.acquire()
            for _ in range(turns):
                await asyncio.sleep(0)
            instance.release()

        self.run(hold())

    @rule(seconds=st.sampled_from((0.0, 0.006)))
    def let_follow(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @rule()
    def fall_behind(self) -> None:
        self.elsewhere.tail.too_far = True

    @rule()
    def be_away(self) -> None:
        self.elsewhere.tail.errors.append(StoreUnavailable("away", stored=False))

    @rule()
    def drop_tail(self) -> None:
        self.elsewhere.tail.drop()

    @rule()
    def suspect_a_restore(self) -> None:
        self.elsewhere.tail.reset(self.run(self.store.head()))

    @rule()
    def forget_somebody(self) -> None:
        self.runtimes[1].engine.drop()

    @invariant()
    def states_are_those_of_prefixes(self) -> None:
        for runtime in self.runtimes:
            for name, streams in self.streams.items():
                instance = runtime.engine.dispatcher.aggregates.cached(f"counter-{name}")
                if instance is None or instance.busy or instance.state is None:
                    continue
                if not instance.version:
                    assert instance.state == Remembering()
                    continue
                prefixes = [stream[: instance.version] for stream in streams]
                [prefix] = [
                    prefix for prefix in prefixes if prefix and prefix[-1][0] == instance.position
                ]
                assert len(prefix) == instance.version
                state = Remembering(amounts=tuple(amount for _, amount in prefix))
                assert instance.state == state


def test_a_cached_state_is_that_of_a_prefix_of_its_stream() -> None:
    check(FollowingMachine, MemoryStore, examples=100, steps=40)
