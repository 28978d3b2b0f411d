"""An event for several instances of a process manager: each keeps its order, on any store."""

from collections.abc import Collection, Iterable, Sequence

from chekov import (
    Aggregate,
    Command,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    ProcessManager,
    Retry,
    Runtime,
    apply,
    execute,
    start,
)
from tests.waiting import passed, until

ONCE = Retry(attempts=1)


class Sent(Event):
    to: tuple[str, ...]
    number: int


class Send(Command[Sent]):
    box: Identifier[str]
    to: tuple[str, ...]
    number: int


class Box(Aggregate):
    @execute
    def send(self, command: Send) -> Iterable[Sent]:
        yield Sent(to=command.to, number=command.number)

    @apply
    def sent(self, event: Sent) -> None:
        pass


def boxes(broken: Collection[int]) -> Domain:
    """A domain whose process manager fails at the events with `broken` numbers."""

    class Reader(ProcessManager, name="reader", consistency="strong", start_from="origin"):
        seen: tuple[int, ...] = ()

        @start(by="to")
        def sent(self, event: Sent) -> None:
            if event.number in broken:
                raise ValueError(f"{event.number} is broken")
            self.seen += (event.number,)

    return Domain("boxes", aggregates=[Box], handlers=[Reader()])


def running(store: MemoryStore | str, broken: Collection[int], *, retry: Retry = ONCE) -> Runtime:
    return Runtime(boxes(broken), store=store, retry=retry)


async def send(runtime: Runtime, *letters: str) -> None:
    """Send letters to groups of instances, each from its own box, numbered by position."""
    for number, to in enumerate(letters, await runtime.store.head() + 1):
        await runtime.dispatch(Send(box=str(number), to=tuple(to), number=number))
    await passed(runtime, await runtime.store.head())


async def seen(runtime: Runtime) -> dict[str, Sequence[int]]:
    found = await runtime.processes.list()
    return {item.instance: (item.state or {})["seen"] for item in found}


async def parked(runtime: Runtime) -> list[tuple[int, str, tuple[str, ...]]]:
    found = await runtime.parked("reader")
    return [(item.position, item.state, item.keys) for item in found]


async def all_is_seen(runtime: Runtime, **expected: Sequence[int]) -> None:
    async def is_seen() -> bool:
        return await seen(runtime) == expected and not await parked(runtime)

    await until(is_seen, 60)


async def a_failed_event_keeps_back_all_its_instances(store: MemoryStore | str) -> None:
    """Also in the next process, until it is handled."""
    broken = {1}
    async with running(store, broken) as runtime:
        await send(runtime, "ab", "a", "b", "c", "bd", "d")
        assert await seen(runtime) == {"c": [4]}
        assert await parked(runtime) == [
            (1, "failed", ("reader-a", "reader-b")),
            (2, "blocked", ("reader-a",)),
            (3, "blocked", ("reader-b",)),
            (5, "blocked", ("reader-b", "reader-d")),
            (6, "blocked", ("reader-d",)),
        ]
        [row] = await runtime.store.subscriptions.list("boxes")
        assert (row.parked, row.parked_keys) == (5, 3)
        [status] = runtime.subscriptions.values()
        assert (status.parked, status.parked_keys) == (5, 3)
    async with running(store, broken) as runtime:
        await send(runtime, "d", "c")
        assert await seen(runtime) == {"c": [4, 8]}
        broken.clear()
        assert await runtime.retry("reader", key="reader-b") == [1]
        await all_is_seen(runtime, a=[1, 2], b=[1, 3, 5], c=[4, 8], d=[5, 6, 7])


async def an_event_waits_for_the_last_of_its_instances(store: MemoryStore | str) -> None:
    broken = {1, 2}
    async with running(store, broken) as runtime:
        await send(runtime, "a", "b", "ab", "a", "b")
        assert await seen(runtime) == {}
        broken.remove(2)
        await runtime.retry("reader", position=2)

        async def second_is_seen() -> bool:
            return await seen(runtime) == {"b": [2]}

        await until(second_is_seen, 60)
        await send(runtime, "c")
        assert await seen(runtime) == {"b": [2], "c": [6]}
        assert [position for position, *_ in await parked(runtime)] == [1, 3, 4, 5]
        assert await runtime.discard("reader", key="reader-a", reason="it is of no use") == [1]
        await all_is_seen(runtime, a=[3, 4], b=[2, 3, 5], c=[6])


async def what_an_erased_event_kept_back_goes_on(store: MemoryStore | str) -> None:
    broken = {1, 3}
    async with running(store, broken) as runtime:
        await send(runtime, "a", "b", "ab", "a", "b")
        await runtime.delete(Box, "3", erase=True)
        await passed(runtime, await runtime.store.head())
        broken.clear()
        await runtime.retry("reader")
        await all_is_seen(runtime, a=[1, 4], b=[2, 5])


async def an_event_that_waits_for_its_next_attempt_keeps_back_all(store: MemoryStore | str) -> None:
    broken = {1}
    patient = Retry(attempts=5, first=3600.0, longest=3600.0)
    async with running(store, broken, retry=patient) as runtime:
        await send(runtime, "ab", "b", "bc", "c", "d")
        assert await seen(runtime) == {"d": [5]}
        assert (await parked(runtime))[0] == (1, "retrying", ("reader-a", "reader-b"))
        broken.clear()
        assert await runtime.retry("reader", key="reader-b") == [1]
        await all_is_seen(runtime, a=[1], b=[1, 2, 3], c=[3, 4], d=[5])


SCENARIOS = (
    a_failed_event_keeps_back_all_its_instances,
    an_event_waits_for_the_last_of_its_instances,
    what_an_erased_event_kept_back_goes_on,
    an_event_that_waits_for_its_next_attempt_keeps_back_all,
)
