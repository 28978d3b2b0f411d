"""What an installation sets for a handler takes the place of what its class says."""

from typing import Any

import pytest

from chekov import (
    Context,
    DefinitionError,
    Domain,
    EventHandler,
    HandlerSettings,
    MemoryStore,
    Projection,
    Retry,
    Runtime,
    Transaction,
    UnknownSubscription,
    handle,
)
from chekov.domain.definitions import definition_of
from chekov.engine.subscriptions.definitions import handler_definitions
from tests.unit.engine.counter_domain import Add, Added, Counter, Seen, status
from tests.unit.engine.running import append
from tests.waiting import until


class Idle(EventHandler, name="idle"):
    @handle
    async def added(self, event: Added, context: Context) -> None:
        pass


class Totals(Projection, name="totals"):
    tables = "create table totals (amount bigint)"

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        pass


def counting(*handlers: EventHandler) -> Domain:
    return Domain("counting", aggregates=[Counter], handlers=handlers)


def running(store: MemoryStore, handler: EventHandler, **settings: Any) -> Runtime:
    return Runtime(
        counting(handler), store=store, handlers={"seen": HandlerSettings(**settings)}, lease=5.0
    )


def test_settings_name_handlers_of_the_domain() -> None:
    domain = counting(Seen(), Idle())
    with pytest.raises(UnknownSubscription, match=r"no subscription 'sen'; it has idle, seen"):
        handler_definitions(domain, {"sen": HandlerSettings(partitions=2)})
    with pytest.raises(UnknownSubscription):
        Runtime(domain, store=MemoryStore(), handlers={"sen": HandlerSettings()})


def test_all_values_that_a_handler_cannot_have_are_listed() -> None:
    domain = counting(Seen(), Totals())
    settings = {
        "seen": HandlerSettings(start_from=0),
        "totals": HandlerSettings(partitions=3, retry=Retry(attempts=0)),
    }
    with pytest.raises(DefinitionError) as caught:
        handler_definitions(domain, settings)
    assert caught.value.faults == (
        "settings of seen: start_from 0 must be a position, from 1 on, or 'origin' or 'now'",
        "settings of totals: partitions 3 must be left out: only event handlers are partitioned",
        "settings of totals: retry: attempts 0 must be 1 or more",
    )


def test_handlers_without_settings_are_as_their_classes_say() -> None:
    definitions = handler_definitions(
        counting(Seen(), Idle()), {"idle": HandlerSettings(partitions=2)}
    )
    assert list(definitions) == ["seen", "idle"]
    assert definitions["seen"] == definition_of(Seen)
    assert definition_of(Idle).partitions == 1


async def test_a_start_that_is_set_is_where_the_handler_starts() -> None:
    async with MemoryStore() as store:
        await append(store, b'{"amount":1}', b'{"amount":2}')
        seen = Seen()
        async with running(store, seen, start_from=2) as runtime:
            await runtime.wait(2, timeout=240)
    assert seen.amounts == [2]


async def test_partitions_that_are_set_divide_the_handler() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen, partitions=3) as runtime:
        assert [key.partition for key in runtime.subscriptions] == [0, 1, 2]
        for counter in "abcdef":
            await runtime.dispatch(Add(counter=counter, amount=1))
        await runtime.wait(6, timeout=240)
    assert seen.amounts == [1] * 6


async def test_a_policy_that_is_set_decides_about_failures() -> None:
    seen = Seen()
    seen.failing[7] = 10
    once = Retry(attempts=1)
    async with running(MemoryStore(), seen, retry=once, on_failure="stop") as runtime:
        await runtime.dispatch(Add(counter="a", amount=7))
        await until(lambda: status(runtime, "seen").state == "stopped", 60)
    assert seen.failing[7] == 9


async def test_a_strong_dispatch_waits_for_a_handler_that_is_set_to_be_strong() -> None:
    idle = Idle()
    settings = {"idle": HandlerSettings(consistency="strong")}
    domain = counting(idle)
    async with Runtime(domain, store=MemoryStore(), handlers=settings) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        assert status(runtime, "idle").position == 1
