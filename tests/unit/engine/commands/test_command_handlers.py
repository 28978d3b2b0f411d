"""A command handler decides for its own instance, and cannot wait for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import field, replace
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Command,
    CommandContext,
    CommandHandler,
    CommandTimeout,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Principal,
    Rejected,
    Runtime,
    apply,
    execute,
)
from chekov.engine.commands.router import Router
from chekov.errors import DefinitionError


class Done(Event):
    how: str


class Do(Command[Done]):
    thing: Identifier[str]
    how: str = ""


class Other(Command[Done]):
    thing: Identifier[str]


class Look(Command[Done]):
    """Only the command handler decides about it."""

    thing: Identifier[str]


class Thing(Aggregate, identity="thing"):
    done: int = 0
    log: list[str] = field(default_factory=list[str])

    @execute
    def do(self, command: Do) -> Iterable[Done]:
        yield Done(how=command.how)

    @execute
    def other(self, command: Other) -> Iterable[Done]:
        yield Done(how="other")

    @apply
    def was_done(self, event: Done) -> None:
        self.done += 1
        self.log.append(event.how)


class Calls(CommandHandler):
    """Decides as `call` does about a command that says so."""

    call: Callable[[Do, Thing], Awaitable[Any]]

    @execute
    async def do(self, command: Do, thing: Thing) -> Iterable[Done]:
        return await self.call(command, thing) if command.how == "call" else thing.do(command)

    @execute
    async def look(
        self, command: Look, thing: Thing, context: CommandContext
    ) -> AsyncIterator[Done]:
        for entry in thing.log:
            yield Done(how=f"{context.principal and context.principal.subject} saw {entry}")


HANDLER = Calls()
DOMAIN = Domain("things", aggregates=[Thing], command_handlers=[HANDLER])
CALL = Do(thing="1", how="call")


def running(store: MemoryStore | None = None) -> Runtime:
    return Runtime(DOMAIN, store=store or MemoryStore())


@pytest.mark.parametrize(
    ("returned", "fault"),
    [
        (Do(thing="1"), "it returned a value of type Do: `yield` the events, or return a list"),
        (Done(how="at once"), "it returned a value of type Done: `yield` the events"),
        (None, "it returned None: `yield` the events"),
    ],
)
async def test_a_handler_returns_events(returned: object, fault: str) -> None:
    async def call(_: Do, __: Thing) -> object:
        return returned

    HANDLER.call = call
    async with running() as runtime:
        with pytest.raises(DefinitionError, match=r"Calls\.do.*\n.*" + fault):
            await runtime.dispatch(CALL)
        assert await runtime.store.head() == 0


async def test_it_decides_alone_or_delegates_to_an_executor() -> None:
    async def call(command: Do, thing: Thing) -> Iterable[Done]:
        own = Done(how="own")
        return [own, *thing.do(replace(command, how="executor"))]

    HANDLER.call = call
    async with running() as runtime:
        dispatched = await runtime.dispatch(CALL)
        assert [event.how for event in dispatched.events] == ["own", "executor"]
        assert (await runtime.load(Thing, "1")).state.log == ["own", "executor"]


async def test_it_decides_about_a_command_that_no_aggregate_executes_and_may_yield() -> None:
    async with running() as runtime:
        await runtime.dispatch(Do(thing="1", how="first"))
        dispatched = await runtime.dispatch(Look(thing="1"), principal=Principal("ada"))
        assert [event.how for event in dispatched.events] == ["ada saw first"]
        assert (dispatched.stream, dispatched.version) == ("thing-1", 2)


async def test_it_has_a_copy_of_the_state() -> None:
    async def call(command: Do, thing: Thing) -> Iterable[Done]:
        thing.done = 7
        thing.log.append("only here")
        return []

    HANDLER.call = call
    async with running() as runtime:
        await runtime.dispatch(Do(thing="1", how="first"))
        assert (await runtime.dispatch(CALL)).events == ()
        state = (await runtime.load(Thing, "1")).state
        assert (state.done, state.log) == (1, ["first"])


async def test_it_decides_again_by_the_newer_state_after_a_version_conflict() -> None:
    seen: list[int] = []
    store = MemoryStore()
    async with running(store) as runtime, running(store) as other:

        async def call(command: Do, thing: Thing) -> Iterable[Done]:
            seen.append(thing.done)
            if len(seen) == 1:
                await other.dispatch(Do(thing="1", how="meanwhile"))
            return [Done(how="late")]

        HANDLER.call = call
        assert (await runtime.dispatch(CALL)).version == 2
    assert seen == [0, 1]


async def test_it_refuses_as_an_executor_does() -> None:
    async def call(_: Do, __: Thing) -> Iterable[Done]:
        raise Rejected("not today")

    HANDLER.call = call
    async with running() as runtime:
        with pytest.raises(Rejected, match="not today"):
            await runtime.dispatch(CALL)
        assert (await runtime.dispatch(Do(thing="1"))).version == 1


class Returns(CommandHandler, timeout=0.01):
    @execute
    async def do(self, command: Do, thing: Thing) -> Iterable[Done]:
        await asyncio.Event().wait()
        return []


class Yields(CommandHandler, timeout=0.01):
    @execute
    async def do(self, command: Do, thing: Thing) -> AsyncIterator[Done]:
        yield Done(how="first")
        await asyncio.Event().wait()


@pytest.mark.parametrize("handler", [Returns(), Yields()])
async def test_a_decision_has_a_time_out_of_its_own(handler: CommandHandler) -> None:
    domain = Domain("things", aggregates=[Thing], command_handlers=[handler])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        with pytest.raises(CommandTimeout, match=r"Do did not finish within 0\.01 s; nothing"):
            await runtime.dispatch(Do(thing="1"))
        assert (await runtime.dispatch(Other(thing="1"))).version == 1


async def test_the_time_out_of_the_command_ends_a_decision_too() -> None:
    async def call(_: Do, __: Thing) -> Iterable[Done]:
        await asyncio.Event().wait()
        return []

    HANDLER.call = call
    async with running() as runtime:
        with pytest.raises(CommandTimeout):
            await runtime.dispatch(CALL, timeout=0.01)


def test_the_time_of_a_decision_is_added_to_that_of_the_command() -> None:
    domain = Domain("things", aggregates=[Thing], command_handlers=[Returns()])
    router = Router(domain, timeout=5.0)
    assert router[Do].timeout == 5.01
    assert router[Other].timeout == 5.0


async def test_a_time_out_of_its_own_code_is_an_error_like_any_other() -> None:
    async def call(_: Do, __: Thing) -> Iterable[Done]:
        raise TimeoutError("the rating agency is slow")

    HANDLER.call = call
    async with running() as runtime:
        with pytest.raises(TimeoutError, match="the rating agency"):
            await runtime.dispatch(CALL)


async def load(runtime: Runtime) -> None:
    await runtime.load(Thing, "1")


async def dispatch(runtime: Runtime) -> None:
    await runtime.dispatch(Do(thing="1"))


async def delete(runtime: Runtime) -> None:
    await runtime.delete(Thing, "1")


async def in_a_task(runtime: Runtime) -> None:
    await asyncio.gather(runtime.load(Thing, "1"))


async def by_another(runtime: Runtime) -> None:
    async def call(command: Do, thing: Thing) -> Iterable[Done]:
        await load(runtime)
        return thing.do(command)

    HANDLER.call = call
    await runtime.dispatch(Do(thing="2", how="call"))


@pytest.mark.parametrize("ask", [load, dispatch, delete, in_a_task, by_another])
async def test_a_handler_that_would_wait_for_itself_is_refused(
    ask: Callable[[Runtime], Awaitable[None]],
) -> None:
    async with running() as runtime:

        async def call(command: Do, thing: Thing) -> Iterable[Done]:
            await ask(runtime)
            return thing.do(command)

        HANDLER.call = call
        await runtime.dispatch(Do(thing="1"))
        with pytest.raises(DefinitionError, match=r"wait for itself.*'thing-1'"):
            await runtime.dispatch(CALL)
        assert (await runtime.dispatch(Do(thing="1"))).version == 2


async def test_a_handler_may_load_other_instances_and_start_work_that_outlives_it() -> None:
    started, later = asyncio.Event(), list[asyncio.Task[Any]]()
    async with running() as runtime:

        async def dispatch_later() -> Any:
            await started.wait()
            return await asyncio.gather(*(runtime.dispatch(Do(thing="1")) for _ in range(3)))

        async def call(command: Do, thing: Thing) -> Iterable[Done]:
            await runtime.load(Thing, "2")
            later.append(asyncio.create_task(dispatch_later()))
            return thing.do(command)

        HANDLER.call = call
        await runtime.dispatch(Do(thing="2"))
        await runtime.dispatch(CALL)
        started.set()
        assert [done.version for done in await later[0]] == [2, 3, 4]
