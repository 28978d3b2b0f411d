"""Whether appends stay as fast in a large store: a small and a large store, measured in turn.

The large one is measured twice: with appends to as many streams as the small one has, spread over
the whole store, as in a service most of whose entities are inactive; and with appends to any of its
streams, where nearly every append needs an index page that is not cached. Bare INSERTs of the same
rows, which look nothing up, show the cost of such a page.
"""

import asyncio
import random
import statistics
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import asyncpg

from benchmarks.domain import ADDED, DATA
from benchmarks.measure import run_for
from benchmarks.peers.rounds import turned
from benchmarks.peers.work import CATEGORY, event_id
from benchmarks.postgres import fresh_database
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore

SCHEMA = "bench"
SMALL = 100_000
PER_STREAM = 100
FILLERS = 16
IN_FLIGHT = (1, 16, 256)
LITTLE, IN_USE, ANY = "small", "streams in use", "any stream"
BARE_SMALL, BARE_ANY = "bare small", "bare any stream"
INSERT = f"""insert into {SCHEMA}.events (position, stream, version, id, type, data, time)
select * from unnest($1::bigint[], $2::text[], $3::bigint[], $4::uuid[], $5::text[],
    $6::text[]::json[], $7::timestamptz[])"""
# Versions of bare INSERTs: above all others of their streams, hence next to them in the index.
FAR = 1_000_000_000
Say = Callable[[str], None]
Rates = dict[tuple[str, int], list[float]]


class Damaged(Exception):
    """The store does not hold exactly what was acknowledged."""


@dataclass(slots=True)
class Subject:
    """A store of one size.

    Attributes:
        title: the size in words.
        dsn: its database.
        store: the open store.
        streams: number of streams after filling.
        acknowledged: events acknowledged so far.
    """

    title: str
    dsn: str
    store: PostgresStore
    streams: int
    acknowledged: int = 0


async def measure(dsn: str, events: int, seconds: float, rounds: int, say: Say) -> dict[str, float]:
    """Fill two stores, then append to old streams of each, in turn.

    Returns:
        Rates by work and number in flight, their ratios, and the smallest of these for each work.

    Raises:
        Damaged: events were lost, or positions or versions have gaps.
    """
    rates: Rates = {}
    async with filled(dsn, SMALL, say) as small, filled(dsn, events, say) as large:
        work = [(LITTLE, small, small.streams), (IN_USE, large, small.streams)]
        work.append((ANY, large, large.streams))
        for number in range(rounds):
            for in_flight in IN_FLIGHT:
                for name, subject, streams in turned(work, number):
                    say(f"round {number + 1}: {name}, {in_flight} in flight")
                    await maintain(subject, "checkpoint")
                    rate = await append(subject, seconds, in_flight, streams)
                    rates.setdefault((name, in_flight), []).append(rate)
        for subject in (small, large):
            say(f"checking {subject.title}")
            await check(subject)
        # These rows make the stores unusable, so they come last.
        for number in range(rounds):
            for in_flight in IN_FLIGHT:
                for name, subject in turned([(BARE_SMALL, small), (BARE_ANY, large)], number):
                    say(f"round {number + 1}: {name}, {in_flight} rows a statement")
                    await maintain(subject, "checkpoint")
                    rate = await insert(subject, seconds, in_flight)
                    rates.setdefault((name, in_flight), []).append(rate)
        return figures(rates, small.acknowledged, large.acknowledged)


@asynccontextmanager
async def filled(dsn: str, events: int, say: Say) -> AsyncGenerator[Subject]:
    """Fill a store, close it, and open it anew, as a process that did not write the events."""
    admin = await asyncpg.connect(dsn)
    title, streams = f"{events:,} events", events // PER_STREAM
    try:
        async with fresh_database(admin, dsn, f"peers_large_{events}") as own:
            async with PostgresStore(own, schema=SCHEMA) as store:
                before = Subject(title, own, store, streams)
                await fill(before, say)
            async with PostgresStore(own, schema=SCHEMA) as store:
                yield Subject(title, own, store, streams, before.acknowledged)
    finally:
        await admin.close()


async def fill(subject: Subject, say: Say) -> None:
    """Append to one new stream after another; concurrent appends share statements of 1,000 rows."""
    numbers = iter(range(subject.streams))
    data = DATA.encode()
    twentieth = max(1, subject.streams // 20)

    async def work() -> None:
        for number in numbers:
            if number % twentieth == 0:
                say(f"filling {subject.title}: {number * 100 // subject.streams} %")
            events = [NewEvent(event_id(), ADDED, data) for _ in range(PER_STREAM)]
            await subject.store.append(stream_name(number), events)
            subject.acknowledged += PER_STREAM

    async with asyncio.TaskGroup() as group:
        for _ in range(FILLERS):
            group.create_task(work())
    await maintain(subject, "vacuum analyze")


async def append(subject: Subject, seconds: float, in_flight: int, streams: int) -> float:
    """Append single events to some streams, spread over the store; returns events a second."""
    chance = random.Random(in_flight)
    data = DATA.encode()
    apart = subject.streams // streams

    async def one(_worker: int) -> None:
        stream = stream_name(chance.randrange(streams) * apart)
        await subject.store.append(stream, [NewEvent(event_id(), ADDED, data)])
        subject.acknowledged += 1

    return (await run_for(seconds, in_flight, one)).per_second


async def insert(subject: Subject, seconds: float, size: int) -> float:
    """Insert rows for any of the streams, one bare statement at a time; returns rows a second."""
    connection = await asyncpg.connect(subject.dsn)
    try:
        last = await connection.fetchval(f"select max(position) from {SCHEMA}.events")
        statement = await connection.prepare(INSERT)
        positions = count(last + 1)
        chance = random.Random(size)

        def row() -> tuple[Any, ...]:
            position = next(positions)
            stream = stream_name(chance.randrange(subject.streams))
            now = datetime.now(UTC)
            return position, stream, FAR + position, event_id(), ADDED, DATA, now

        async def one(_worker: int) -> None:
            await statement.fetch(*zip(*[row() for _ in range(size)], strict=True))

        return (await run_for(seconds, 1, one, weight=size)).per_second
    finally:
        await connection.close()


async def maintain(subject: Subject, statement: str) -> None:
    """Run maintenance that the server would otherwise do during the measurement."""
    connection = await asyncpg.connect(subject.dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def check(subject: Subject) -> None:
    """Compare the number of events with those acknowledged, and look for gaps.

    Raises:
        Damaged: events are missing, or positions or versions have gaps.
    """
    connection = await asyncpg.connect(subject.dsn)
    try:
        stored = await connection.fetchval(f"select count(*) from {SCHEMA}.events")
        last = await connection.fetchval(f"select max(position) from {SCHEMA}.events")
        gaps = await connection.fetchval(
            f"select count(*) from (select from {SCHEMA}.events group by stream"
            " having count(*) <> max(version) or min(version) <> 1) as stream"
        )
    finally:
        await connection.close()
    if stored != subject.acknowledged or last != stored or gaps:
        raise Damaged(
            f"{subject.title}: {subject.acknowledged} acknowledged, {stored} stored, last position "
            f"{last}, {gaps} streams with gaps"
        )


def stream_name(number: int) -> str:
    return f"{CATEGORY}-large-{number}"


def figures(rates: Rates, fewer: int, events: int) -> dict[str, float]:
    """Median rates, and the medians over the rounds of the ratio in each."""
    found = {f"{name}, {n} in flight": statistics.median(rates[name, n]) for name, n in rates}
    for name, other in ((IN_USE, LITTLE), (ANY, LITTLE), (BARE_ANY, BARE_SMALL)):
        for n in IN_FLIGHT:
            pairs = zip(rates[name, n], rates[other, n], strict=True)
            found[f"ratio, {name}, {n} in flight"] = statistics.median(a / b for a, b in pairs)
        found[f"ratio, {name}"] = min(found[f"ratio, {name}, {n} in flight"] for n in IN_FLIGHT)
    found["events at the end, small"] = fewer
    found["events at the end"] = events
    return found


def table(found: Mapping[str, float]) -> str:
    """Both sizes side by side."""
    fewer, more = found["events at the end, small"], found["events at the end"]
    lines = [
        f"appends of 1 event to old streams; {fewer:,.0f} and {more:,.0f} events at the end",
        "     in flight       small      in use   ratio         any   ratio     bare INSERT",
    ]
    for n in IN_FLIGHT:
        small, used, some = (found[f"{name}, {n} in flight"] for name in (LITTLE, IN_USE, ANY))
        ratios = [found[f"ratio, {name}, {n} in flight"] for name in (IN_USE, ANY, BARE_ANY)]
        lines.append(
            f"  {n:>12}{small:>10,.0f}/s{used:>10,.0f}/s{ratios[0]:>8.2f}"
            f"{some:>10,.0f}/s{ratios[1]:>8.2f}{ratios[2]:>16.2f}"
        )
    lines.append("  check: every event stored, positions and versions without gaps")
    return "\n".join(lines)
