"""One process with many live aggregates, which reports what it holds and what it takes.

It keeps nothing of its own for each aggregate, so that its memory is that of the runtime.
"""

import argparse
import gc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import psutil
import uvloop

from benchmarks import in_process
from benchmarks.domain import NOTE, Add, commands
from benchmarks.lines import Answer, load_of, rate_answer, serve
from benchmarks.measure import Load, run, tune_gc
from chekov import CacheLimits, Runtime

FILLERS = 256
"""Commands in flight while the aggregates are created."""
PATIENCE = 60.0
"""Seconds that a command may take: writing 100,000 events keeps a busy disk waiting at times."""


class LiveWorker:
    """Answers requests by the names of its methods.

    Args:
        runtime: entered before the first request.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._process = psutil.Process()
        answers = (self.fill, self.warm, self.dispatch, self.usage)
        self._answers = {answer.__name__: answer for answer in answers}

    async def answer(self, request: Mapping[str, Any]) -> Answer:
        return await self._answers[request["do"]](request)

    async def fill(self, request: Mapping[str, Any]) -> Answer:
        """Send the first command to each aggregate."""
        name, aggregates = request["name"], request["aggregates"]
        numbers = iter(range(aggregates))

        async def one(_worker: int) -> None:
            counter = f"{name}-{next(numbers)}"
            await self._runtime.dispatch(Add(counter=counter, amount=1, note=NOTE))

        return rate_answer(await run(Load(name, FILLERS, count=aggregates), one))

    async def warm(self, request: Mapping[str, Any]) -> Answer:
        name, aggregates = request["name"], request["aggregates"]
        return {"streams": await in_process.warm(self._runtime, name, aggregates)}

    async def dispatch(self, request: Mapping[str, Any]) -> Answer:
        load, aggregates = load_of(request), request["aggregates"]
        done = await in_process.dispatch(self._runtime, load, aggregates)
        answer = rate_answer(done.rate)
        answer["streams"] = done.streams
        return answer

    async def usage(self, request: Mapping[str, Any]) -> Answer:
        """What is held and what this process takes; with `collect`, without what is garbage.

        A collection between two measurements would do the collector's work of the second.
        """
        if request.get("collect"):
            gc.collect()
        times = self._process.cpu_times()
        held = self._runtime.engine.dispatcher.aggregates.instances
        return {
            "live": len(held),
            "estimated": held.bytes,
            "resident": self._process.memory_info().rss,
            "cpu": times.user + times.system,
        }


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--schema", default="bench")
    parser.add_argument("--live", type=int, default=CacheLimits().instances)
    given = parser.parse_args()
    async with AsyncExitStack() as stack:
        limits = CacheLimits(instances=given.live)
        runtime = Runtime(
            commands,
            store=given.dsn,
            schema=given.schema,
            cache=limits,
            command_timeout=PATIENCE,
        )
        await stack.enter_async_context(runtime)
        tune_gc()
        await serve(LiveWorker(runtime).answer)


if __name__ == "__main__":
    uvloop.run(main())
