"""One process of a measurement: a runtime that is attached to a store and measured on request.

It uses nothing but the public API, so that it also runs against other releases.
"""

import argparse
from collections import Counter as Tally
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import uvloop

import chekov
from benchmarks import history, in_process, over_http
from benchmarks.domain import commands
from benchmarks.lines import Answer, load_of, rate_answer, serve
from benchmarks.measure import tune_gc
from chekov import Runtime


class Worker:
    """Answers requests by the names of its methods; `attach` and `serve` last until `detach`.

    Args:
        dsn: the database.
        schema: the event store's schema.
    """

    def __init__(self, dsn: str, schema: str) -> None:
        self._dsn = dsn
        self._schema = schema
        self._stack = AsyncExitStack()
        self._runtime: Runtime | None = None
        self._retries = in_process.Retries()
        self._port = 0
        self._acknowledged: Tally[str] = Tally()
        answers = (
            self.attach,
            self.serve,
            self.detach,
            self.warm,
            self.dispatch,
            self.at_random,
            self.live,
            self.http,
            self.catch_up,
            self.acknowledged,
            self.check,
        )
        self._answers = {answer.__name__: answer for answer in answers}

    async def answer(self, request: Mapping[str, Any]) -> Answer:
        return await self._answers[request["do"]](request)

    async def attach(self, request: Mapping[str, Any]) -> Answer:
        observers = [self._retries] if request.get("retries") else []
        runtime = Runtime(commands, store=self._dsn, schema=self._schema, observers=observers)
        self._runtime = await self._stack.enter_async_context(runtime)
        tune_gc()
        return {}

    async def serve(self, _: Mapping[str, Any]) -> Answer:
        server = over_http.api_server(self._dsn, self._schema)
        self._port = (await self._stack.enter_async_context(server)).api
        return {}

    async def detach(self, _: Mapping[str, Any]) -> Answer:
        self._runtime = None
        await self._stack.aclose()
        return {}

    async def warm(self, request: Mapping[str, Any]) -> Answer:
        streams = await in_process.warm(self._attached, request["name"], request["aggregates"])
        return self._acknowledge({}, streams)

    async def dispatch(self, request: Mapping[str, Any]) -> Answer:
        load = load_of(request)
        done = await in_process.dispatch(self._attached, load, request["aggregates"])
        answer = rate_answer(done.rate)
        answer["refused"] = done.refused
        return self._acknowledge(answer, done.streams)

    async def at_random(self, request: Mapping[str, Any]) -> Answer:
        load = load_of(request)
        before = self._retries.count
        done = await in_process.at_random(self._attached, load, request["aggregates"])
        answer = rate_answer(done.rate)
        answer["retries"] = self._retries.count - before
        return self._acknowledge(answer, done.streams)

    async def live(self, request: Mapping[str, Any]) -> Answer:
        per_second, seconds = request["per_second"], request["seconds"]
        rate, streams = await in_process.live(self._dsn, self._schema, per_second, seconds)
        return self._acknowledge(rate_answer(rate), streams)

    async def http(self, request: Mapping[str, Any]) -> Answer:
        streams: dict[str, int] = {}
        connections, seconds = request["connections"], request["seconds"]
        rate = await over_http.commands(self._port, seconds, connections, streams)
        return self._acknowledge(rate_answer(rate), streams)

    async def catch_up(self, _: Mapping[str, Any]) -> Answer:
        return rate_answer(await in_process.catch_up(self._dsn, self._schema))

    async def acknowledged(self, _: Mapping[str, Any]) -> Answer:
        return {"streams": self._acknowledged}

    async def check(self, request: Mapping[str, Any]) -> Answer:
        """Check the history, with the events that were acknowledged to another process."""
        acknowledged = self._acknowledged + Tally[str](request["streams"])
        return {"stored": await history.check(self._attached.store, acknowledged)}

    @property
    def _attached(self) -> Runtime:
        assert self._runtime, "no runtime is attached"
        return self._runtime

    def _acknowledge(self, answer: Answer, streams: Mapping[str, int]) -> Answer:
        self._acknowledged.update(streams)
        answer["streams"] = streams
        return answer


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--schema", default="bench")
    given = parser.parse_args()
    worker = Worker(given.dsn, given.schema)
    try:
        await serve(worker.answer, chekov=chekov.__file__)
    finally:
        await worker.detach({})


if __name__ == "__main__":
    uvloop.run(main())
