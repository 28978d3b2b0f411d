"""Tests of services wait for events, and find those that belong together."""

import asyncio
import re

import pytest

from chekov import Domain, MemoryStore, Runtime
from chekov.testing import Events
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Noted
from tests.unit.engine.processes.transfers import (
    Deposit,
    Deposited,
    Ended,
    Request,
    Requested,
    Withdrawn,
    domain,
)

COUNTING = Domain("counting", aggregates=[Counter])


def counting() -> Runtime:
    return Runtime(COUNTING, store=MemoryStore())


async def test_an_event_that_is_stored_already_is_found() -> None:
    async with counting() as runtime:
        events = Events(runtime)
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.dispatch(Note(counter="b", text="this"))
        found = await events.wait_for(Noted)
        assert (found.event.text, found.context.stream) == ("this", "counter-b")


async def test_it_waits_for_the_one_that_fits() -> None:
    async with counting() as runtime, asyncio.TaskGroup() as group:
        waiting = group.create_task(
            Events(runtime).wait_for(Added, lambda event: event.amount == 3, after=1)
        )
        for amount in (3, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        assert (await waiting).context.position == 3


async def test_an_event_that_does_not_come_fails_the_test_with_the_last_ones() -> None:
    async with counting() as runtime:
        events = Events(runtime, timeout=0.01)
        with pytest.raises(AssertionError, match=r"^no Noted was stored in time; .* none$"):
            await events.wait_for(Noted)
        for amount in range(1, 13):
            await runtime.dispatch(Add(counter="a", amount=amount))
        with pytest.raises(AssertionError, match=r"no Added of this kind") as caught:
            await events.wait_for(Added, lambda event: event.amount == 99)
        assert re.findall(r"(\d+) Added", str(caught.value)) == [str(at) for at in range(3, 13)]


async def test_what_follows_from_an_event_through_a_process_manager_is_correlated() -> None:
    async with Runtime(domain, store=MemoryStore()) as runtime:
        events = Events(runtime)
        await runtime.dispatch(Deposit(account="a", amount=10))
        await runtime.dispatch(Request(transfer="t", source="a", target="b", amount=7))
        found = await events.assert_correlated(Requested, Withdrawn, Deposited, Ended)
        assert [type(item.event) for item in found] == [Requested, Withdrawn, Deposited, Ended]
        assert found[2].context.stream == "account-b"


async def test_an_event_of_another_request_is_not_correlated() -> None:
    async with counting() as runtime:
        events = Events(runtime, timeout=0.01)
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.dispatch(Note(counter="a", text="another"))
        with pytest.raises(AssertionError, match=r"no Noted follows from Added\(amount=1\); what"):
            await events.assert_correlated(Added, Noted)


async def test_a_runtime_that_ends_fails_a_wait() -> None:
    async with counting() as runtime:
        waiting = asyncio.create_task(Events(runtime).wait_for(Noted))
        await asyncio.sleep(0)
    with pytest.raises(AssertionError, match="the runtime ended before a Noted was stored"):
        await waiting
