"""Commands to one of many live aggregates: what is held, and what the report makes of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from benchmarks import history
from benchmarks.domain import commands
from benchmarks.live_aggregates import FEW, IN_FLIGHT, MIB, Live, lines
from benchmarks.live_worker import LiveWorker
from benchmarks.measure import Rate
from chekov import CacheLimits, MemoryStore, Runtime


@asynccontextmanager
async def process(live: int) -> AsyncGenerator[tuple[LiveWorker, Runtime]]:
    limits = CacheLimits(instances=live)
    async with Runtime(commands, store=MemoryStore(), cache=limits) as runtime:
        yield LiveWorker(runtime), runtime


@pytest.mark.parametrize(("limit", "live"), [(20, 20), (5, 5)])
async def test_each_aggregate_gets_one_command_and_stays_live_while_there_is_room(
    limit: int, live: int
) -> None:
    async with process(limit) as (worker, runtime):
        answer = await worker.answer({"do": "fill", "name": "live", "aggregates": 20})
        assert answer.get("count") == 20
        streams = {f"counter-live-{number}": 1 for number in range(20)}
        assert await history.check(runtime.store, streams) == 20
        used = await worker.answer({"do": "usage", "collect": True})
        assert used.get("live") == live
        assert used.get("estimated", 0) > 0
        assert used.get("resident", 0) > used.get("estimated", 0)


async def test_what_is_acknowledged_is_in_the_history() -> None:
    async with process(5) as (worker, runtime):
        given = {"name": "live", "aggregates": 8}
        warm = await worker.answer({"do": "warm", **given})
        done = await worker.answer({"do": "dispatch", "in_flight": 4, "count": 30, **given})
        streams = dict(warm.get("streams", {}))
        for name, count in done.get("streams", {}).items():
            streams[name] += count
        assert await history.check(runtime.store, streams) == 38


def found() -> Live:
    live = Live(1000)
    for in_flight in IN_FLIGHT:
        live.rates["many", in_flight] += [Rate(80, 1.0, [0.001]), Rate(90, 1.0, [0.001])]
        live.rates["few", in_flight] += [Rate(100, 1.0, [0.001]), Rate(100, 1.0, [0.001])]
        live.cpu["many", in_flight], live.cpu["few", in_flight] = 0.34, 0.2
    live.filled = {"many": Rate(1000, 1.0), "few": Rate(1000, 0.5)}
    live.before = {"live": 0, "estimated": 0, "resident": 40 * MIB}
    live.after = {"live": 1000, "estimated": 700_000, "resident": 40 * MIB + 800_000}
    live.last = {"live": 1000, "estimated": 700_000, "resident": 400 * MIB}
    live.events = 2370
    return live


def test_figures_are_ratios_to_the_few_and_bytes_for_each_aggregate() -> None:
    figures = {figure.name: figure for figure in found().figures()}
    assert figures[f"1,000 live / {FEW}, 16 in flight"].value == pytest.approx(0.85)
    cpu = figures["processor time of a command, the same, 64 in flight"]
    assert cpu.value == pytest.approx(2.0)
    assert figures["bytes of a live aggregate, resident"].value == 800
    assert figures["bytes of a live aggregate, as estimated"].value == 700
    assert figures["created: all stay live / all but a few are dropped"].value == 0.5
    assert figures["1,000 live aggregates, still in memory"].verdict == "met"
    assert figures["1,000 live aggregates, resident MiB"].verdict == "MISSED"


def test_the_report_names_every_row_and_the_check() -> None:
    text = "\n".join(lines(found()))
    assert f"commands to one of {FEW} live, 16 in flight" in text
    assert "commands to one of 1,000 live, 64 in flight" in text
    assert "2,370 events; 0 lost, 0 reordered, 0 duplicated" in text
