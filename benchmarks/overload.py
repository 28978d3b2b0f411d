"""What is left of the throughput when ten times more clients come than fit, and do not wait.

`python -m benchmarks.overload` measures it alone.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final

import uvloop

from benchmarks import over_http
from benchmarks.http_load import BadAnswer, Client, post
from benchmarks.measure import Rate, median, run_for
from benchmarks.postgres import postgres
from benchmarks.report import Figure

PLACES: Final = 100
TIMES: Final = 10
GOODPUT: Final = "goodput at ten times the capacity / at capacity"


@dataclass(slots=True)
class Overload:
    """Rounds of accepted commands.

    Attributes:
        full: by as many clients as there are places.
        over: by ten times as many, each of which comes back at once when it is refused.
        refused: answers to those, in all.
    """

    full: list[Rate] = field(default_factory=list[Rate])
    over: list[Rate] = field(default_factory=list[Rate])
    refused: int = 0

    async def measure(
        self,
        dsn: str,
        schema: str,
        name: str,
        seconds: float,
        acknowledged: MutableMapping[str, int],
    ) -> None:
        """Measure one round."""
        async with over_http.api_server(dsn, schema, CHEKOV_MAX_IN_FLIGHT=str(PLACES)) as ports:
            for rates, clients in ((self.full, PLACES), (self.over, PLACES * TIMES)):
                names = [f"{name}-{clients}-{number}" for number in range(clients)]
                rates.append(await self._send(ports.api, seconds, names, acknowledged))

    def figures(self) -> list[Figure]:
        """The ratio of both."""
        ratio = median(self.over).per_second / median(self.full).per_second
        return [Figure(GOODPUT, ratio, 0.8), Figure("refusals meanwhile", self.refused)]

    async def _send(
        self, port: int, seconds: float, names: list[str], acknowledged: MutableMapping[str, int]
    ) -> Rate:
        clients = [await Client.connect(port) for _ in names]
        requests = [post("/commands/Add", over_http.body(name)) for name in names]
        done = [0] * len(names)

        async def one(worker: int) -> None:
            while True:
                try:
                    await clients[worker].send(requests[worker])
                except BadAnswer:
                    self.refused += 1
                    continue
                done[worker] += 1
                return

        try:
            # The first command of an aggregate reads its stream, which is none of what is measured.
            for worker in range(len(clients)):
                await one(worker)
            return await run_for(seconds, len(clients), one)
        finally:
            for client in clients:
                client.close()
            for name, count in zip(names, done, strict=True):
                acknowledged[f"counter-{name}"] = count


async def _main() -> None:
    overload = Overload()
    async with postgres(None) as (dsn, _):
        for number in range(3):
            await overload.measure(dsn, "bench", f"overload-{number}", 3.0, {})
            print(f"{overload.full[-1].per_second:,.0f} {overload.over[-1].per_second:,.0f}")
    for figure in overload.figures():
        print(figure.line())


if __name__ == "__main__":
    uvloop.run(_main())
