"""Whether appends stay as fast when the store is large: two stores, measured in turn."""

import asyncio
import random
import statistics
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from benchmarks.domain import NOTE, Added, commands
from benchmarks.measure import run_for
from benchmarks.peers.rounds import fresh_database
from benchmarks.peers.work import CATEGORY, event_id
from chekov.store.codec import Codec
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore

SCHEMA = "bench"
SMALL = 100_000
PER_STREAM = 100
FILLERS = 16
IN_FLIGHT = (1, 16, 256)
Say = Callable[[str], None]


class Damaged(Exception):
    """The store does not hold what was acknowledged."""


@dataclass(slots=True)
class Subject:
    """A store of a size.

    Attributes:
        title: the size in words.
        streams: how many there are after filling; appends go to any of them.
        acknowledged: events so far.
        rates: in flight → events a second, one for each round.
    """

    title: str
    dsn: str
    store: PostgresStore
    streams: int
    acknowledged: int = 0
    rates: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in IN_FLIGHT})


async def measure(dsn: str, events: int, seconds: float, rounds: int, say: Say) -> dict[str, float]:
    """Fill two stores, then append to old streams of each, in turn.

    Returns:
        Rates by size and number in flight, their ratios, and the smallest of these as `ratio`.

    Raises:
        Damaged: events were lost, or positions or versions have gaps.
    """
    async with opened(dsn, SMALL) as small, opened(dsn, events) as large:
        for subject in (small, large):
            await fill(subject, say)
        for number in range(rounds):
            for in_flight in IN_FLIGHT:
                pair = (small, large) if number % 2 else (large, small)
                for subject in pair:
                    say(f"round {number + 1}: {subject.title}, {in_flight} in flight")
                    await append(subject, seconds, in_flight)
        for subject in (small, large):
            say(f"checking {subject.title}")
            await check(subject)
        return figures(small, large)


@asynccontextmanager
async def opened(dsn: str, events: int) -> AsyncGenerator[Subject]:
    """An empty store that is to hold so many events."""
    admin = await asyncpg.connect(dsn)
    try:
        async with (
            fresh_database(admin, dsn, f"peers_large_{events}") as own,
            PostgresStore(own, schema=SCHEMA) as store,
        ):
            yield Subject(f"{events:,} events", own, store, events // PER_STREAM)
    finally:
        await admin.close()


async def fill(subject: Subject, say: Say) -> None:
    """Append to one new stream after the other; several at once become statements of 1,000 rows."""
    numbers = iter(range(subject.streams))
    data = Codec(commands).encode(Added(amount=1, note=NOTE))
    twentieth = max(1, subject.streams // 20)

    async def work() -> None:
        for number in numbers:
            if number % twentieth == 0:
                say(f"filling {subject.title}: {number * 100 // subject.streams} %")
            events = [NewEvent(event_id(), Added.name, data) for _ in range(PER_STREAM)]
            await subject.store.append(stream_name(number), events)
            subject.acknowledged += PER_STREAM

    async with asyncio.TaskGroup() as group:
        for _ in range(FILLERS):
            group.create_task(work())
    await maintain(subject, "vacuum analyze")


async def append(subject: Subject, seconds: float, in_flight: int) -> None:
    """Single events to streams anywhere in the store."""
    await maintain(subject, "checkpoint")
    chance = random.Random(in_flight)
    data = Codec(commands).encode(Added(amount=1, note=NOTE))

    async def one(_worker: int) -> None:
        stream = stream_name(chance.randrange(subject.streams))
        await subject.store.append(stream, [NewEvent(event_id(), Added.name, data)])
        subject.acknowledged += 1

    rate = await run_for(seconds, in_flight, one)
    subject.rates[in_flight].append(rate.per_second)


async def maintain(subject: Subject, statement: str) -> None:
    """What a server does by itself in time, done before the clock starts."""
    connection = await asyncpg.connect(subject.dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def check(subject: Subject) -> None:
    """Count everything, and look for gaps."""
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


def figures(small: Subject, large: Subject) -> dict[str, float]:
    """Medians, and the median over the rounds of the ratio in each."""
    found: dict[str, float] = {}
    for in_flight in IN_FLIGHT:
        pairs = list(zip(large.rates[in_flight], small.rates[in_flight], strict=True))
        found[f"small, {in_flight} in flight"] = statistics.median(one for _, one in pairs)
        found[f"large, {in_flight} in flight"] = statistics.median(one for one, _ in pairs)
        found[f"ratio, {in_flight} in flight"] = statistics.median(a / b for a, b in pairs)
    found["ratio"] = min(found[f"ratio, {in_flight} in flight"] for in_flight in IN_FLIGHT)
    found["events"] = large.acknowledged
    return found


def table(found: Mapping[str, float]) -> str:
    """Both sizes side by side."""
    lines = [f"appends of 1 event to old streams, {SMALL:,} events against {found['events']:,.0f}"]
    for n in IN_FLIGHT:
        small, large, ratio = (
            found[f"{what}, {n} in flight"] for what in ("small", "large", "ratio")
        )
        lines.append(f"  {n:>4} in flight{small:>14,.0f}/s{large:>14,.0f}/s{ratio:>10.2f}")
    lines.append("  check: every event stored, positions and versions without gaps")
    return "\n".join(lines)
