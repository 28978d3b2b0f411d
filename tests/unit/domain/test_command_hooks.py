"""Middleware that comes with Chekov: hooks, the log of commands, a limit on their rate."""

import logging
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from chekov import (
    ANONYMOUS,
    CommandEnvelope,
    CommandHooks,
    CommandLog,
    Domain,
    InvalidArgument,
    MemoryStore,
    Middleware,
    Principal,
    RateLimit,
    RateLimited,
    Rejected,
    Runtime,
)
from tests.unit.engine.counter_domain import Add, AddAtMost, Break, Counter, TooMuch

Envelope = CommandEnvelope[Any]
ADD = Add(counter="a", amount=1)
ADA = Principal("ada")


def over(*middleware: Middleware) -> Runtime:
    domain = Domain("counting", aggregates=[Counter], middleware=middleware)
    return Runtime(domain, store=MemoryStore(), subscriptions=False)


class Watching(CommandHooks):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def before(self, envelope: Envelope) -> Envelope:
        self.seen.append("before")
        if envelope.metadata == {"halt": True}:
            raise Rejected("halted")
        return replace(envelope, command=replace(envelope.command, counter="b"))

    async def after(self, envelope: Envelope, dispatched: Any) -> None:
        self.seen.append(f"after {envelope.command} {dispatched.version}")

    async def failed(self, envelope: Envelope, error: Exception) -> None:
        self.seen.append(f"failed {type(error).__name__}")


async def test_hooks_are_called_around_a_command() -> None:
    hooks = Watching()
    async with over(hooks) as runtime:
        assert (await runtime.dispatch(ADD)).stream == "counter-b"
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=9, limit=3))
    done = "after Add(counter='b', amount=1) 1"
    assert hooks.seen == ["before", done, "before", "failed TooMuch"]


async def test_a_hook_halts_a_command_by_raising() -> None:
    hooks = Watching()
    async with over(hooks) as runtime:
        with pytest.raises(Rejected, match="halted"):
            await runtime.dispatch(ADD, metadata={"halt": True})
        assert await runtime.store.head() == 0
    assert hooks.seen == ["before"]


async def test_hooks_that_override_nothing_change_nothing() -> None:
    async with over(CommandHooks()) as runtime:
        assert (await runtime.dispatch(ADD)).version == 1
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=9, limit=3))


async def test_the_log_says_how_commands_ended_and_not_what_is_in_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "chekov.commands")
    async with over(CommandLog()) as runtime:
        dispatched = await runtime.dispatch(ADD, principal=ADA)
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=9, limit=3))
        with pytest.raises(ZeroDivisionError):
            await runtime.dispatch(Break(counter="secret"))
    done, refused, failed = (vars(record) for record in caplog.records)
    assert (done["command"], done["stream"], done["version"]) == ("Add", "counter-a", 1)
    assert (done["principal"], done["command_id"]) == ("ada", str(dispatched.command_id))
    assert (refused["levelname"], refused["error"]) == ("INFO", "TooMuch")
    assert (failed["levelname"], failed["error"]) == ("WARNING", "ZeroDivisionError")
    assert "amount" not in str(done)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Any:
    clock = Clock()
    with patch("chekov.domain.command_hooks.monotonic", clock):
        yield clock


async def test_a_sender_has_a_burst_and_then_a_rate(clock: Clock) -> None:
    async with over(RateLimit(2, burst=3)) as runtime:
        for _ in range(3):
            await runtime.dispatch(ADD, principal=ADA)
        with pytest.raises(RateLimited, match="'ada' sends too many commands") as caught:
            await runtime.dispatch(ADD, principal=ADA)
        assert caught.value.seconds == pytest.approx(0.5)
        clock.now += 0.5
        await runtime.dispatch(ADD, principal=ADA)
        with pytest.raises(RateLimited):
            await runtime.dispatch(ADD, principal=ADA)
        clock.now += 60
        for _ in range(3):
            await runtime.dispatch(ADD, principal=ADA)
        with pytest.raises(RateLimited):
            await runtime.dispatch(ADD, principal=ADA)


async def test_senders_are_limited_apart_and_the_program_itself_is_not(clock: Clock) -> None:
    async with over(RateLimit(1)) as runtime:
        for principal in (ADA, ANONYMOUS, Principal("eve")):
            await runtime.dispatch(ADD, principal=principal)
            with pytest.raises(RateLimited):
                await runtime.dispatch(ADD, principal=principal)
        for _ in range(10):
            await runtime.dispatch(ADD)


async def test_what_tells_senders_apart_may_be_chosen(clock: Clock) -> None:
    def tenant(envelope: Envelope) -> str | None:
        return (envelope.metadata or {}).get("tenant")

    async with over(RateLimit(1, by=tenant)) as runtime:
        await runtime.dispatch(ADD, metadata={"tenant": "blue"})
        await runtime.dispatch(ADD)
        await runtime.dispatch(ADD)
        with pytest.raises(RateLimited, match="blue"):
            await runtime.dispatch(ADD, metadata={"tenant": "blue"})


async def test_the_senders_that_it_remembers_are_bounded(clock: Clock) -> None:
    with patch("chekov.domain.command_hooks._MOST_SENDERS", 2):
        async with over(RateLimit(1)) as runtime:
            for name in ("a", "b", "c", "a"):
                await runtime.dispatch(ADD, principal=Principal(name))
            with pytest.raises(RateLimited):
                await runtime.dispatch(ADD, principal=Principal("a"))


@pytest.mark.parametrize(
    "wrong", [{"per_second": 0}, {"per_second": float("inf")}, {"per_second": 1, "burst": 0}]
)
def test_a_limit_lets_some_commands_through(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"expected"):
        RateLimit(**wrong)
