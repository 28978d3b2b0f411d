"""The aggregates in memory stay within bounds: by count, by what they take, and by idle time."""

from collections.abc import Iterable
from dataclasses import field
from datetime import timedelta
from typing import Any

import pytest

from chekov import (
    Aggregate,
    CacheLimits,
    Command,
    DefinitionError,
    Domain,
    Event,
    Identifier,
    InvalidArgument,
    MemoryStore,
    Runtime,
    apply,
    execute,
)
from chekov.engine.commands.instance_cache import InstanceCache
from chekov.engine.commands.memory import estimated_bytes
from tests.waiting import until

SOON = timedelta(milliseconds=20)


class Grew(Event):
    text: str


class Grow(Command[Grew]):
    name: Identifier[str]
    text: str = ""


class Shrink(Command[Grew]):
    name: Identifier[str]


class Plant(Aggregate, identity="plant"):
    texts: list[str] = field(default_factory=list[str])

    @execute
    def grow(self, command: Grow) -> Iterable[Grew]:
        yield Grew(text=command.text)

    @apply
    def grew(self, event: Grew) -> None:
        self.texts.append(event.text)


def over(*aggregates: type[Aggregate], **limits: Any) -> Runtime:
    domain = Domain("plants", aggregates=aggregates)
    return Runtime(domain, store=MemoryStore(), subscriptions=False, cache=CacheLimits(**limits))


def instances(runtime: Runtime) -> InstanceCache:
    return runtime.engine.dispatcher.aggregates.instances


def held(runtime: Runtime) -> list[str]:
    return [instance.stream for instance in instances(runtime)]


async def test_beyond_the_count_those_not_used_longest_go() -> None:
    async with over(Plant, instances=2) as runtime:
        for name in "abac":
            await runtime.dispatch(Grow(name=name))
        assert held(runtime) == ["plant-a", "plant-c"]
        assert instances(runtime).dropped == {"count": 1}
        assert (await runtime.dispatch(Grow(name="b"))).version == 2


async def test_a_class_may_be_held_less_often_than_others() -> None:
    class Many(Aggregate, identity="many"):
        count: int = 0

        @execute
        def grow(self, command: Grow) -> Iterable[Grew]:
            yield Grew(text=command.text)

        @apply
        def grew(self, event: Grew) -> None:
            self.count += 1

    class Rare(Aggregate, identity="rare", cache=2):
        count: int = 0

        @execute
        def shrink(self, command: Shrink) -> Iterable[Grew]:
            yield Grew(text="")

        @apply
        def grew(self, event: Grew) -> None:
            self.count += 1

    async with over(Many, Rare) as runtime:
        for name in "abcd":
            await runtime.dispatch(Grow(name=name))
        for name in "abac":
            await runtime.dispatch(Shrink(name=name))
        assert held(runtime) == [f"many-{name}" for name in "abcd"] + ["rare-a", "rare-c"]


async def test_beyond_the_bytes_those_not_used_longest_go() -> None:
    async with over(Plant, bytes=100_000) as runtime:
        for number in range(20):
            await runtime.dispatch(Grow(name=str(number), text="x" * 20_000))
        assert 2 <= runtime.instances <= 4
        assert held(runtime)[-1] == "plant-19"
        assert instances(runtime).bytes <= 100_000
        assert instances(runtime).dropped["bytes"] == 20 - runtime.instances
        # What is larger than all of the room is held while nothing else is.
        await runtime.dispatch(Grow(name="huge", text="x" * 200_000))
        assert held(runtime) == ["plant-huge"]


async def test_what_instances_take_is_given_back_when_they_go() -> None:
    async with over(Plant, instances=1) as runtime:
        await runtime.dispatch(Grow(name="a", text="x" * 50_000))
        assert instances(runtime).bytes > 50_000
        await runtime.dispatch(Grow(name="b"))
        assert instances(runtime).bytes < 5_000


async def test_a_state_is_measured_again_as_it_grows() -> None:
    async with over(Plant) as runtime:
        for number in range(64):
            await runtime.dispatch(Grow(name="a", text=f"{number:1000}"))
        assert 64_000 < instances(runtime).bytes < 90_000


async def test_what_nobody_uses_is_dropped_after_a_time() -> None:
    async with over(Plant, idle=SOON) as runtime:
        await runtime.dispatch(Grow(name="a"))
        await until(lambda: runtime.instances == 0)
        assert instances(runtime).dropped == {"idle": 1}
        assert (await runtime.dispatch(Grow(name="a"))).version == 2


async def test_a_class_may_have_a_time_of_its_own() -> None:
    class Short(Aggregate, identity="short", idle=SOON):
        count: int = 0

        @execute
        def shrink(self, command: Shrink) -> Iterable[Grew]:
            yield Grew(text="")

        @apply
        def grew(self, event: Grew) -> None:
            self.count += 1

    async with over(Plant, Short) as runtime:
        await runtime.dispatch(Grow(name="a"))
        await runtime.dispatch(Shrink(name="a"))
        await until(lambda: held(runtime) == ["plant-a"])


async def test_an_instance_at_work_is_not_dropped() -> None:
    async with over(Plant, idle=SOON, instances=1) as runtime:
        await runtime.dispatch(Grow(name="a"))
        [instance] = instances(runtime)
        await instance.acquire()
        await runtime.dispatch(Grow(name="b"))
        await until(lambda: held(runtime) == ["plant-a"])
        instance.release()
        await until(lambda: runtime.instances == 0)


@pytest.mark.parametrize(
    "limits", [{"instances": 0}, {"bytes": True}, {"bytes": 1.5}, {"idle": timedelta(0)}], ids=repr
)
def test_bounds_that_are_none_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="expected"):
        CacheLimits(**limits)


@pytest.mark.parametrize("keywords", [{"cache": 0}, {"cache": "2"}, {"idle": 5}], ids=repr)
def test_bounds_of_a_class_that_are_none_are_faults(keywords: dict[str, Any]) -> None:
    class Wrong(Plant, identity="wrong", **keywords):
        pass

    with pytest.raises(DefinitionError, match="must be"):
        Domain("plants", aggregates=[Wrong])


class Slotted:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Broken:
    def __sizeof__(self) -> int:
        raise RuntimeError("no size")


@pytest.mark.parametrize(
    "value",
    ["x" * 9_000, [b"x" * 9_000], {"a": {"b": ("x" * 9_000,)}}, Slotted("x" * 9_000)],
    ids=lambda value: type(value).__name__,
)
def test_everything_in_a_value_is_counted(value: object) -> None:
    assert 9_000 <= estimated_bytes(value) < 10_000


def test_what_appears_twice_is_counted_once() -> None:
    text = "x" * 9_000
    cycle: list[object] = [text, text]
    cycle.append(cycle)
    assert estimated_bytes(cycle) < 10_000


def test_many_values_are_estimated_by_some() -> None:
    estimate = estimated_bytes([f"{number:100}" for number in range(50_000)])
    assert 5_000_000 < estimate < 10_000_000


def test_a_value_that_cannot_be_looked_at_counts_as_nothing() -> None:
    assert estimated_bytes(Broken()) == 0
