"""Middleware surrounds every command: it sees, changes, refuses and answers."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from chekov import CommandHandler, Domain, MemoryStore, Principal, Rejected, Runtime, execute
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.middleware import Middleware, Next
from chekov.engine.commands.execution import Dispatched
from chekov.engine.failures import UnrequestedExit
from chekov.errors import CommandTimeout, DefinitionError, StreamNotFound, UnknownCommand
from chekov.serialization.codec import decode_metadata
from tests.unit.engine.commands.counting import SlowStore
from tests.unit.engine.commands.outcomes import Outcomes
from tests.unit.engine.counter_domain import Add, AddAtMost, Added, Counter, Note, TooMuch
from tests.unit.engine.exits import EXITS

Envelope = CommandEnvelope[Any]


def over(
    *middleware: Middleware, store: MemoryStore | None = None, outcomes: Outcomes | None = None
) -> Runtime:
    domain = Domain("counting", aggregates=[Counter], middleware=middleware)
    return Runtime(
        domain,
        store=store or MemoryStore(),
        subscriptions=False,
        observers=[outcomes] if outcomes else [],
    )


async def test_it_sees_the_envelope_and_the_answer_of_each_command() -> None:
    seen: list[tuple[Envelope, Dispatched[Any]]] = []

    async def watch(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        dispatched = await proceed(envelope)
        seen.append((envelope, dispatched))
        return dispatched

    command = Add(counter="a", amount=1)
    async with over(watch) as runtime:
        dispatched = await runtime.dispatch(command, metadata={"user": "ada"})
    [(envelope, answer)] = seen
    assert (envelope.command, envelope.metadata) == (command, {"user": "ada"})
    assert envelope.command_id == dispatched.command_id
    assert answer is dispatched


async def test_the_first_is_outermost() -> None:
    order: list[str] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, envelope: Envelope, proceed: Next) -> Dispatched[Any]:
            order.append(self.name)
            try:
                return await proceed(envelope)
            finally:
                order.append(self.name)

    async with over(Named("first"), Named("second")) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
    assert order == ["first", "second", "second", "first"]


async def test_it_may_change_what_is_stored_with_the_events() -> None:
    async def stamp(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        return await proceed(replace(envelope, metadata={"tenant": "blue"}))

    async with over(stamp) as runtime:
        dispatched = await runtime.dispatch(Add(counter="a", amount=1))
    assert decode_metadata(dispatched.recorded[0].metadata) == {"tenant": "blue"}


async def test_it_may_change_the_command_and_so_the_instance() -> None:
    async def elsewhere(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        return await proceed(replace(envelope, command=Note(counter="b", text="moved")))

    async with over(elsewhere) as runtime:
        dispatched = await runtime.dispatch(Add(counter="a", amount=1))
        assert dispatched.stream == "counter-b"
        with pytest.raises(StreamNotFound):
            await runtime.load(Counter, "a")


async def test_a_command_that_nobody_executes_is_refused_when_it_is_passed_on() -> None:
    class Foreign(Add):
        pass

    async def elsewhere(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        return await proceed(replace(envelope, command=Foreign(counter="a", amount=1)))

    async with over(elsewhere) as runtime:
        with pytest.raises(UnknownCommand, match="Foreign"):
            await runtime.dispatch(Add(counter="a", amount=1))


async def test_it_may_refuse_a_command() -> None:
    class Forbidden(Rejected):
        """Not for you."""

    async def refuse(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        if envelope.principal is None:
            raise Forbidden
        return await proceed(envelope)

    outcomes = Outcomes()
    async with over(refuse, outcomes=outcomes) as runtime:
        with pytest.raises(Forbidden):
            await runtime.dispatch(Add(counter="a", amount=1))
        envelope = CommandEnvelope.of(Add(counter="a", amount=1), principal=Principal("ada"))
        assert (await runtime.execute(envelope)).version == 1
    assert outcomes.all == [("rejected", 0), ("accepted", 1)]


async def test_it_may_answer_without_executing_the_command() -> None:
    async def answer(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        return Dispatched("counter-a", 7, 0, (), (), envelope.command_id, envelope.correlation_id)

    async with over(answer) as runtime:
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == 7
        assert await runtime.store.head() == 0


async def test_it_sees_errors_and_may_execute_another_command_instead() -> None:
    seen: list[BaseException] = []

    async def less(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        try:
            return await proceed(envelope)
        except TooMuch as error:
            seen.append(error)
            return await proceed(replace(envelope, command=Add(counter="a", amount=1)))

    async with over(less) as runtime:
        dispatched = await runtime.dispatch(AddAtMost(counter="a", amount=5, limit=3))
        assert [event.amount for event in dispatched.events] == [1]
    assert len(seen) == 1


async def test_repeated_commands_pass_it_and_are_answered_after_it() -> None:
    passed: list[bool] = []

    async def watch(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        dispatched = await proceed(envelope)
        passed.append(dispatched.repeated)
        return dispatched

    key = uuid4()
    async with over(watch) as runtime:
        for _ in range(2):
            await runtime.dispatch(Add(counter="a", amount=1), command_id=key)
        assert await runtime.store.head() == 1
    assert passed == [False, True]


async def test_its_time_counts_against_the_timeout_of_the_command() -> None:
    async def stall(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        await asyncio.Event().wait()
        return await proceed(envelope)

    outcomes = Outcomes()
    async with over(stall, outcomes=outcomes) as runtime:
        with pytest.raises(CommandTimeout) as caught:
            await runtime.dispatch(Add(counter="a", amount=1), timeout=0.01)
    assert caught.value.stored is False
    assert outcomes.all == [("timeout", 0)]


async def test_a_drain_waits_for_it() -> None:
    store = SlowStore()
    ended: list[str] = []

    async def watch(envelope: Envelope, proceed: Next) -> Dispatched[Any]:
        dispatched = await proceed(envelope)
        ended.append(dispatched.stream)
        return dispatched

    async with over(watch, store=store) as runtime, asyncio.TaskGroup() as group:
        group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await store.waiting.wait()
        drain = group.create_task(runtime.drain())
        store.open.set()
        await drain
        assert ended == ["counter-a"]


def test_what_is_not_async_is_refused_by_the_domain() -> None:
    def plain(envelope: Envelope, proceed: Next) -> Any:
        return proceed(envelope)

    class Unmade:
        async def __call__(self, envelope: Envelope, proceed: Next) -> Dispatched[Any]:
            return await proceed(envelope)

    wrong: list[Any] = [plain, Unmade]
    with pytest.raises(DefinitionError) as caught:
        Domain("counting", aggregates=[Counter], middleware=wrong)
    assert len(caught.value.faults) == 2
    assert all("must be an async function" in fault for fault in caught.value.faults)


@pytest.mark.parametrize("error", EXITS, ids=repr)
async def test_an_exit_that_nobody_requested_is_an_error_of_the_command(
    error: BaseException,
) -> None:
    async def leave(_envelope: Envelope, _proceed: Next) -> Dispatched[Any]:
        raise error

    outcomes = Outcomes()
    async with over(leave, outcomes=outcomes) as runtime:
        with pytest.raises(UnrequestedExit) as caught:
            await runtime.dispatch(Add(counter="a", amount=1))
    assert caught.value.__cause__ is error
    assert outcomes.all == [("failed", 0)]


@pytest.mark.parametrize("error", EXITS, ids=repr)
async def test_an_instance_goes_on_after_an_exit_that_nobody_requested(
    error: BaseException,
) -> None:
    class Leaves(CommandHandler):
        @execute
        async def add(self, command: Add, counter: Counter) -> Iterable[Added]:
            if command.amount == 1:
                raise error
            return counter.add(command)

    domain = Domain("counting", aggregates=[Counter], command_handlers=[Leaves()])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        with pytest.raises(UnrequestedExit):
            await runtime.dispatch(Add(counter="a", amount=1))
        assert (await runtime.dispatch(Add(counter="a", amount=2))).version == 1
