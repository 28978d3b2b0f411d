"""What a process reports to the store about its commands."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from chekov.errors import StoreUnavailable
from chekov.server.command_figures import CommandCounts, reporting
from chekov.server.metrics import Metrics
from chekov.server.settings import Settings
from chekov.store.memory import MemoryStore
from chekov.store.memory.figures import MemoryFigures
from chekov.store.port import CommandFigures
from chekov.store.port.figures import bucket_of
from tests.waiting import until

SETTINGS = replace(Settings(), node="bank-1", revision="r1")


def test_failures_and_time_outs_count_as_failures_and_nothing_else_does() -> None:
    counts = CommandCounts()
    for outcome in ("accepted", "repeated", "rejected", "conflict", "failed", "timeout"):
        counts.count(outcome, 0.01)
    figures = counts.figures("bank-1/a", "bank", "r1")
    assert (figures.commands, figures.failures) == (6, 2)
    assert figures.durations[bucket_of(0.01)] == sum(figures.durations) == 6
    assert len(figures.durations) == bucket_of(0.01) + 1


def test_every_observed_command_is_counted() -> None:
    metrics = Metrics(["Open"], [])
    metrics.command("Open", "account-1").finish("accepted", events=1, retries=0)
    metrics.command("Open", "account-1").finish("failed", events=0, retries=0)
    figures = metrics.counts.figures("bank-1/a", "bank", "r1")
    assert (figures.commands, figures.failures) == (2, 1)


async def test_figures_are_reported_from_the_beginning_to_the_end() -> None:
    """The last report holds what was counted until the end."""
    counts, store = CommandCounts(), MemoryStore()
    async with reporting(counts, store.figures, SETTINGS, "bank"):
        await until(store.figures.list)
        counts.count("accepted", 0.01)
    [found] = await store.figures.list()
    assert (found.domain, found.revision, found.commands) == ("bank", "r1", 1)
    assert found.process.startswith("bank-1/")


async def test_two_processes_of_one_name_are_told_apart() -> None:
    """Such as those of a pod whose container was restarted."""
    store = MemoryStore()
    for _ in range(2):
        async with reporting(CommandCounts(), store.figures, SETTINGS, "bank"):
            pass
    assert len(await store.figures.list()) == 2


async def test_a_store_that_is_away_is_tried_again() -> None:
    tries = asyncio.Queue[CommandFigures]()

    class Away(MemoryFigures):
        async def report(self, figures: CommandFigures) -> None:
            tries.put_nowait(figures)
            raise StoreUnavailable("away")

    away = Away(lambda: datetime.now(UTC))
    async with reporting(CommandCounts(), away, SETTINGS, "bank", every=0.001):
        await tries.get()
        await tries.get()
