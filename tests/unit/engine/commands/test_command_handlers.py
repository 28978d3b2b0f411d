"""A command handler decides for its own instance, and cannot wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from chekov import (
    Aggregate,
    Command,
    CommandHandler,
    Domain,
    Event,
    Identifier,
    MemoryStore,
    Runtime,
    apply,
    execute,
    prepare,
)
from chekov.errors import DefinitionError


class Done(Event):
    how: str


class Do(Command[Done]):
    thing: Identifier[str]
    how: str = ""


class Other(Command[Done]):
    thing: Identifier[str]


class Thing(Aggregate, identity="thing"):
    @execute
    def do(self, command: Do) -> Iterable[Done]:
        yield Done(how=command.how)

    @execute
    def other(self, command: Other) -> Iterable[Done]:
        yield Done(how="other")

    @apply
    def done(self, event: Done) -> None:
        pass


class Calls(CommandHandler):
    """Returns what `call` makes of a command."""

    call: Callable[[Do], Awaitable[Any]]

    @prepare
    async def look(self, command: Do, state: Thing) -> Do:
        return await self.call(command) if command.how == "call" else command


HANDLER = Calls()
DOMAIN = Domain("things", aggregates=[Thing], command_handlers=[HANDLER])
CALL = Do(thing="1", how="call")


def running() -> Runtime:
    return Runtime(DOMAIN, store=MemoryStore())


@pytest.mark.parametrize(
    ("returned", "fault"),
    [
        (Do(thing="2"), "'thing-2' and was called for 'thing-1': keep thing"),
        (Other(thing="1"), "returned Other for Do"),
        (None, "returned NoneType for Do"),
    ],
)
async def test_what_a_handler_returns_is_for_its_own_instance(returned: object, fault: str) -> None:
    async def call(_: Do) -> object:
        return returned

    HANDLER.call = call
    async with running() as runtime:
        with pytest.raises(DefinitionError, match=r"Calls\.look.*\n.*" + fault):
            await runtime.dispatch(CALL)
        assert await runtime.store.head() == 0


async def test_a_handler_may_return_another_command_of_the_type() -> None:
    async def call(command: Do) -> Do:
        return Do(thing=command.thing, how="more")

    HANDLER.call = call
    async with running() as runtime:
        assert [event.how for event in (await runtime.dispatch(CALL)).events] == ["more"]


async def load(runtime: Runtime) -> None:
    await runtime.load(Thing, "1")


async def dispatch(runtime: Runtime) -> None:
    await runtime.dispatch(Do(thing="1"))


async def delete(runtime: Runtime) -> None:
    await runtime.delete(Thing, "1")


async def in_a_task(runtime: Runtime) -> None:
    await asyncio.gather(runtime.load(Thing, "1"))


async def by_another(runtime: Runtime) -> None:
    async def call(command: Do) -> Do:
        await load(runtime)
        return command

    HANDLER.call = call
    await runtime.dispatch(Do(thing="2", how="call"))


@pytest.mark.parametrize("ask", [load, dispatch, delete, in_a_task, by_another])
async def test_a_handler_that_would_wait_for_itself_is_refused(
    ask: Callable[[Runtime], Awaitable[None]],
) -> None:
    async with running() as runtime:

        async def call(command: Do) -> Do:
            await ask(runtime)
            return command

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

        async def call(command: Do) -> Do:
            await runtime.load(Thing, "2")
            later.append(asyncio.create_task(dispatch_later()))
            return command

        HANDLER.call = call
        await runtime.dispatch(Do(thing="2"))
        await runtime.dispatch(CALL)
        started.set()
        assert [done.version for done in await later[0]] == [2, 3, 4]
