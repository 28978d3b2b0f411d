"""Services are open while anything may reach the handlers, which are made with them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from chekov import (
    Aggregate,
    ChekovError,
    CommandHandler,
    Context,
    Domain,
    EventHandler,
    LifespanFailed,
    MemoryStore,
    Runtime,
    StoreClosed,
    execute,
    handle,
)
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Noted, Seen
from tests.waiting import until


class Diary:
    """A service that notes what happens, and refuses to once it is closed."""

    def __init__(self) -> None:
        self.open = True
        self.entries: list[str] = []

    def note(self, entry: str) -> None:
        assert self.open
        self.entries.append(entry)


class Writing(EventHandler):
    def __init__(self, services: Diary) -> None:
        services.note("made")
        self.diary = services

    @handle
    async def added(self, event: Added, context: Context) -> None:
        self.diary.note(f"handling {event.amount}")
        await asyncio.sleep(0)
        self.diary.note(f"handled {event.amount}")


class Noting(CommandHandler):
    def __init__(self, services: Diary) -> None:
        self.diary = services

    @execute
    async def note(self, command: Note, counter: Counter) -> Iterable[Noted]:
        self.diary.note(f"decided {command.text}")
        return counter.note(command)


def lifespan_of(diary: Diary) -> Callable[[], AbstractAsyncContextManager[Diary]]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Diary]:
        diary.note("opened")
        yield diary
        diary.note("closed")
        diary.open = False

    return opened


def writing(diary: Diary) -> Domain:
    return Domain(
        "counting",
        aggregates=[Counter],
        handlers=[Writing],
        command_handlers=[Noting],
        lifespan=lifespan_of(diary),
    )


async def test_they_are_opened_first_and_closed_last() -> None:
    diary = Diary()
    async with Runtime(writing(diary), store=MemoryStore()) as runtime:
        assert diary.entries == ["opened", "made"]
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: "handling 1" in diary.entries)
    assert diary.entries == ["opened", "made", "handling 1", "handled 1", "closed"]
    assert not diary.open


async def test_command_handlers_have_them_too() -> None:
    diary = Diary()
    runtime = Runtime(writing(diary), store=MemoryStore(), subscriptions=False)
    async with runtime:
        await runtime.dispatch(Note(counter="a", text="this"))
    assert diary.entries == ["opened", "made", "decided this", "closed"]


async def test_runtimes_of_one_domain_do_not_share_handlers() -> None:
    one, other = Diary(), Diary()
    domain = writing(one)
    async with (
        Runtime(domain, store=MemoryStore()) as first,
        Runtime(domain.with_lifespan(lifespan_of(other)), store=MemoryStore()) as second,
    ):
        await first.dispatch(Note(counter="a", text="one"))
        await second.dispatch(Note(counter="a", text="other"))
    assert "decided one" in one.entries
    assert one.entries[2:] == ["decided one", "closed"]
    assert other.entries[2:] == ["decided other", "closed"]


async def test_objects_go_on_beside_classes() -> None:
    seen, diary = Seen(), Diary()
    domain = Domain(
        "counting",
        aggregates=[Counter],
        handlers=[seen, Writing],
        lifespan=lifespan_of(diary),
    )
    async with Runtime(domain, store=MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency=["seen", "Writing"])
    assert seen.amounts == [1]
    assert "handled 1" in diary.entries


async def test_it_is_left_when_the_block_is_cancelled() -> None:
    diary = Diary()

    async def run() -> None:
        async with Runtime(writing(diary), store=MemoryStore()):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(run())
    await until(lambda: diary.entries)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # A generator without `finally` sees the cancellation at its `yield`.
    assert diary.entries == ["opened", "made"]


class Failing(EventHandler):
    def __init__(self) -> None:
        raise ZeroDivisionError("no luck")

    @handle
    async def added(self, event: Added, context: Context) -> None: ...


def failing(*, exits: bool = False) -> Callable[[], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[None]:
        if exits:
            raise SystemExit(3)
        raise OSError("the mail server is away")
        yield

    return opened


async def start(domain: Domain, store: MemoryStore) -> ChekovError:
    runtime = Runtime(domain, store=store)
    with pytest.raises(LifespanFailed) as caught:
        await runtime.__aenter__()
    assert not runtime.healthy
    with pytest.raises(StoreClosed):  # what was entered before it is left
        await store.read_page()
    return caught.value


def domain(
    *handlers: type[EventHandler],
    lifespan: Callable[[], AbstractAsyncContextManager[object]] | None = None,
) -> Domain:
    aggregates: list[type[Aggregate]] = [Counter]
    return Domain("counting", aggregates=aggregates, handlers=handlers, lifespan=lifespan)


async def test_an_error_in_it_fails_the_start() -> None:
    error = await start(domain(lifespan=failing()), MemoryStore())
    assert "opened of domain 'counting' failed: OSError: the mail server is away" in str(error)
    assert isinstance(error.__cause__, OSError)


async def test_an_exit_in_it_is_an_error_like_any_other() -> None:
    error = await start(domain(lifespan=failing(exits=True)), MemoryStore())
    assert "failed: SystemExit: 3" in str(error)


async def test_a_handler_that_cannot_be_made_fails_the_start() -> None:
    closed: list[bool] = []

    @asynccontextmanager
    async def opened() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            closed.append(True)

    error = await start(domain(Failing, lifespan=opened), MemoryStore())
    assert str(error) == "Failing.__init__ failed: ZeroDivisionError: no luck"
    assert closed == [True]
