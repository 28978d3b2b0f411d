"""What a failed refusal or timer keeps back of its instance, and how that goes on."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Command,
    Domain,
    Event,
    HandlerFailed,
    Identifier,
    MemoryStore,
    ProcessManager,
    Rejected,
    Retry,
    Runtime,
    Schedule,
    Timer,
    apply,
    execute,
    expired,
    proceed,
    rejected,
    start,
)
from tests.waiting import until


class Began(Event):
    order: str
    what: str


class Went(Event):
    order: str
    step: str


class Begin(Command[Began]):
    order: Identifier[str]
    what: str


class Go(Command[Went]):
    order: Identifier[str]
    step: str


class Order(Aggregate):
    steps: int = 0

    @execute
    def begin(self, command: Begin) -> Iterable[Began]:
        yield Began(order=command.order, what=command.what)

    @execute
    def go(self, command: Go) -> Iterable[Went]:
        if command.step == "refuse":
            raise Rejected("it is refused")
        yield Went(order=command.order, step=command.step)

    @apply
    def moved(self, event: Began | Went) -> None:
        self.steps += 1


class Late(Timer):
    pass


def orders(broken: Collection[str], *, on_failure: Any = "park") -> Domain:
    """A domain whose process manager fails at refusals and timers while there are `broken` ones."""

    def handled(what: str) -> str:
        if broken:
            raise ValueError("it is broken")
        return what

    class Shipping(ProcessManager, name="shipping", on_failure=on_failure):
        seen: tuple[str, ...] = ()

        @start(by="order")
        def begun(self, event: Began) -> Iterable[Command[Any] | Schedule]:
            if event.what == "refusal":
                yield Go(order=event.order, step="refuse")
            if event.what == "timer":
                yield Late().after(timedelta(0))

        @proceed(by=lambda event: {"both": ("a", "b")}.get(event.step, event.order))
        def went(self, event: Went) -> None:
            self.seen += (event.step,)

        @rejected
        def refused(self, command: Go, reason: Rejected) -> None:
            self.seen += (handled("refusal"),)

        @expired
        def late(self, timer: Late) -> None:
            self.seen += (handled("timer"),)

    return Domain("shop", aggregates=[Order], handlers=[Shipping()])


def running(domain: Domain, store: MemoryStore, **options: Any) -> Runtime:
    return Runtime(domain, store=store, retry=Retry(attempts=2, first=0.001), **options)


async def seen(runtime: Runtime) -> dict[str, Sequence[str]]:
    """What each open instance was given."""
    found = await runtime.processes.list()
    return {item.instance: (item.state or {})["seen"] for item in found}


async def has_set_aside(runtime: Runtime) -> bool:
    found = await runtime.processes.list()
    return any(part.error for item in found for part in (*item.commands, *item.timers))


async def keep_back(runtime: Runtime, what: str) -> None:
    """Let an input of `a` be set aside, and later events of it and of `b` come."""
    await runtime.dispatch(Begin(order="a", what=what))
    await until(lambda: has_set_aside(runtime))
    await runtime.dispatch(Begin(order="b", what=""))
    for order, step in (("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")):
        await runtime.dispatch(Go(order=order, step=step))

    async def are_kept_back() -> bool:
        states = [event.state for event in await runtime.parked("shipping")]
        return states == ["blocked", "blocked"] and len((await seen(runtime))["b"]) == 2

    await until(are_kept_back)
    assert await seen(runtime) == {"a": [], "b": ["1", "2"]}


@pytest.mark.parametrize("what", ["refusal", "timer"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_is_released_comes_before_what_it_kept_back(
    what: str, *, restarted: bool
) -> None:
    store, broken = MemoryStore(), {"a"}
    if restarted:
        async with running(orders(broken), store) as runtime:
            await keep_back(runtime, what)
    async with running(orders(broken), store) as runtime:
        if not restarted:
            await keep_back(runtime, what)
        assert await runtime.processes.release("shipping", instance="a") == 1
        assert await runtime.processes.release("shipping", instance="b") == 0

        async def failed_again() -> bool:
            return await runtime.processes.release("shipping") == 1

        await until(failed_again)
        broken.clear()

        async def has_gone_on() -> bool:
            if await has_set_aside(runtime):
                await runtime.processes.release("shipping")
            return len((await seen(runtime))["a"]) == 3

        await until(has_gone_on)
        assert await seen(runtime) == {"a": [what, "1", "2"], "b": ["1", "2"]}
        assert not await runtime.parked("shipping")
        await runtime.dispatch(Go(order="a", step="3"))
        await runtime.wait(await store.head())
        assert (await seen(runtime))["a"] == [what, "1", "2", "3"]


async def test_an_event_for_several_instances_waits_with_them_for_the_one_kept_back() -> None:
    broken = {"a"}
    async with running(orders(broken), MemoryStore()) as runtime:
        await keep_back(runtime, "timer")
        await runtime.dispatch(Go(order="b", step="both"))
        await runtime.dispatch(Go(order="b", step="3"))

        async def wait() -> bool:
            return len(await runtime.parked("shipping")) == 4

        await until(wait)
        assert await seen(runtime) == {"a": [], "b": ["1", "2"]}
        broken.clear()
        await runtime.processes.release("shipping")

        async def has_gone_on() -> bool:
            return "3" in (await seen(runtime))["b"]

        await until(has_gone_on)
        assert await seen(runtime) == {
            "a": ["timer", "1", "2", "both"],
            "b": ["1", "2", "both", "3"],
        }
        assert not await runtime.parked("shipping")


async def test_who_waits_in_another_process_for_what_is_kept_back_is_told() -> None:
    store, broken = MemoryStore(), {"a"}
    async with running(orders(broken), store, lease=3600) as owner:
        await keep_back(owner, "timer")
        async with running(orders(broken), store, lease=3600) as other:
            [status] = other.subscriptions.values()
            assert not status.owned
            with pytest.raises(HandlerFailed, match="shipping"):
                await other.dispatch(
                    Go(order="a", step="3"), consistency=["shipping"], consistency_timeout=240
                )
            await other.dispatch(
                Go(order="b", step="3"), consistency=["shipping"], consistency_timeout=240
            )


@pytest.mark.parametrize("what", ["refusal", "timer"])
async def test_what_was_kept_back_follows_what_is_given_up(what: str) -> None:
    async with running(orders({"a"}), MemoryStore()) as runtime:
        await keep_back(runtime, what)
        assert await runtime.processes.discard("shipping", reason="it is late", instance="a") == 1

        async def has_gone_on() -> bool:
            return len((await seen(runtime))["a"]) == 2

        await until(has_gone_on)
        assert await seen(runtime) == {"a": ["1", "2"], "b": ["1", "2"]}
        [discarded] = await runtime.processes.discarded("shipping")
        assert (discarded.instance, discarded.reason) == ("a", "it is late")
        assert discarded.error == "ValueError: it is broken"


@pytest.mark.parametrize("what", ["refusal", "timer"])
async def test_what_the_policy_skips_is_recorded_and_keeps_nothing_back(what: str) -> None:
    async with running(orders({"a"}, on_failure="skip"), MemoryStore()) as runtime:
        await runtime.dispatch(Begin(order="a", what=what))

        async def is_skipped() -> bool:
            return bool(await runtime.processes.discarded("shipping"))

        await until(is_skipped)
        await runtime.dispatch(Go(order="a", step="1"))
        await runtime.wait(await runtime.store.head())
        assert await seen(runtime) == {"a": ["1"]}
        assert not await has_set_aside(runtime)


async def test_more_refusals_set_aside_than_keys_may_be_parked_stop_the_manager() -> None:
    async with running(orders({"a"}), MemoryStore(), most_parked_keys=2) as runtime:
        for order in "abc":
            await runtime.dispatch(Begin(order=order, what="refusal"))

        async def is_stopped() -> bool:
            [status] = runtime.subscriptions.values()
            return status.state == "stopped"

        await until(is_stopped)
        [status] = runtime.subscriptions.values()
        assert "2 keys are parked" in (status.error or "")
