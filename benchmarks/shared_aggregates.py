"""Two processes that share their aggregates, as pods behind a plain Service do, beside one.

Every command goes to one of 200 aggregates at random. One process serves all of the load, then two
serve it together, on the same cores.
"""

import random
import re
from collections import Counter as Tally
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import aiohttp

from benchmarks import over_http
from benchmarks.http_load import Client, post
from benchmarks.lines import rate_of
from benchmarks.measure import Rate, ratio, run_for
from benchmarks.over_http import Ports
from benchmarks.process import WorkerProcess, share
from benchmarks.report import Figure
from benchmarks.two_processes import processes

AGGREGATES = 200
IN_FLIGHT = 32
"""Commands of the whole load: half of them at each of two processes."""

_RETRIES = re.compile(r"^chekov_command_retries_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Shared:
    """What one way to send commands found.

    Attributes:
        one: the rate of one process, one a round.
        two: that of two processes together.
        commands: executed by the two.
        retries: executions that they repeated after a version conflict.
    """

    one: list[Rate] = field(default_factory=list[Rate])
    two: list[Rate] = field(default_factory=list[Rate])
    commands: int = 0
    retries: int = 0

    @property
    def ratio(self) -> float:
        """Two processes to one, as the median of the rounds."""
        return ratio(self.two, self.one) or 0.0

    @property
    def retried_percent(self) -> float:
        """Of a hundred commands of the two, how many executions were repeated."""
        return 100 * self.retries / self.commands

    def note(self, rate: Rate, retries: int) -> None:
        """Take a rate of the two."""
        self.two.append(rate)
        self.commands += rate.count
        self.retries += retries


class SharedAggregates:
    """Measures both ways.

    Args:
        dsn: the database.
        schema: of the store.
        acknowledged: where the events acknowledged in each stream go.

    Attributes:
        in_process: commands dispatched by the processes themselves.
        over_http: commands sent to `chekov serve`, each connection to a process of its own.
        with_affinity: the same, but the commands of one aggregate always go to the same process.
    """

    def __init__(self, dsn: str, schema: str, acknowledged: Tally[str]) -> None:
        self._dsn = dsn
        self._schema = schema
        self._acknowledged = acknowledged
        self.in_process = Shared()
        self.over_http = Shared()
        self.with_affinity = Shared()

    async def measure_in_process(self, name: str, seconds: float) -> None:
        """Measure one process, then two."""
        async with processes(self._dsn, self._schema) as workers:
            first, second = workers
            given = {"name": name, "aggregates": AGGREGATES}
            await self._begin(first, given)
            answer = await first.ask("at_random", seconds, in_flight=IN_FLIGHT, **given)
            self._acknowledged.update(answer.get("streams", {}))
            self.in_process.one.append(rate_of(answer))
            await self._begin(second, given)
            rate, answers = await share(
                workers,
                "at_random",
                count=answer.get("count", 0),
                in_flight=IN_FLIGHT,
                given=(given, given),
            )
            for answer in answers:
                self._acknowledged.update(answer.get("streams", {}))
            self.in_process.note(rate, sum(answer.get("retries", 0) for answer in answers))

    def figures(self) -> list[Figure]:
        """What was found, beside its bars."""
        ways = (
            ("in process, 16 in flight each", self.in_process, 0.7, None),
            ("over HTTP, 32 connections", self.over_http, 0.85, 5.0),
            ("over HTTP, with affinity", self.with_affinity, None, None),
        )
        return [
            figure
            for name, found, least, most in ways
            for figure in (
                Figure(f"two that share aggregates / one, {name}", found.ratio, least),
                Figure(f"retried, percent, {name}", found.retried_percent, most, at_most=True),
            )
        ]

    async def _begin(self, worker: WorkerProcess, given: Mapping[str, Any]) -> None:
        await worker.ask("attach", retries=True)
        answer = await worker.ask("warm", **given)
        self._acknowledged.update(answer.get("streams", {}))

    async def measure_over_http(self, name: str, seconds: float) -> None:
        """Measure one server, then two, with as many connections."""
        async with servers(self._dsn, self._schema, 1) as ports:
            await self._send(ports, name, seconds / 4)
            rate = await self._send(ports, name, seconds)
            self.over_http.one.append(rate)
            self.with_affinity.one.append(rate)
        async with servers(self._dsn, self._schema, 2) as ports:
            await self._send(ports, name, seconds / 4)
            for found, affinity in ((self.over_http, False), (self.with_affinity, True)):
                before = await _retries(ports)
                rate = await self._send(ports, name, seconds, affinity=affinity)
                found.note(rate, await _retries(ports) - before)

    async def _send(
        self, ports: Sequence[Ports], name: str, seconds: float, *, affinity: bool = False
    ) -> Rate:
        """Send commands at random over connections that are spread over the servers.

        With affinity, each worker has a connection to every server, and uses that of the aggregate.
        """
        chance = random.Random(len(ports))
        names = [f"{name}-{number}" for number in range(AGGREGATES)]
        requests = [post("/commands/Add", over_http.body(item)) for item in names]
        clients = [
            [
                await Client.connect(port.api)
                for port in (ports if affinity else [ports[worker % len(ports)]])
            ]
            for worker in range(IN_FLIGHT)
        ]
        done: Tally[int] = Tally()

        async def one(worker: int) -> None:
            number = chance.randrange(AGGREGATES)
            own = clients[worker]
            await own[number % len(own)].send(requests[number])
            done[number] += 1

        try:
            return await run_for(seconds, IN_FLIGHT, one)
        finally:
            self._acknowledged.update({f"counter-{names[n]}": count for n, count in done.items()})
            for client in chain.from_iterable(clients):
                client.close()


@asynccontextmanager
async def servers(dsn: str, schema: str, number: int) -> AsyncGenerator[list[Ports]]:
    """Serve the benchmarks' domain by so many processes."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(over_http.api_server(dsn, schema))
            for _ in range(number)
        ]


async def _retries(ports: Sequence[Ports]) -> int:
    """How many executions the servers repeated so far, by their metrics."""
    total = 0.0
    async with aiohttp.ClientSession() as session:
        for port in ports:
            url = f"http://127.0.0.1:{port.management}/metrics"
            async with session.get(url) as answer:
                total += sum(map(float, _RETRIES.findall(await answer.text())))
    return int(total)
