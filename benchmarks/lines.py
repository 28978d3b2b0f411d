"""The protocol between the harness and its worker processes: one JSON object a line.

Only the standard library is used here, since one worker runs in an environment of its own.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypedDict

from benchmarks.measure import Load, Rate

LINE_LIMIT = 256 * 1024 * 1024


class Answer(TypedDict, total=False):
    """The result of one request.

    `latencies` are microseconds, to keep lines short; `streams` counts the events acknowledged in
    each stream; `refused` counts commands that lost every retry to another process, `retries` the
    executions repeated after a version conflict. Of a process: `live` aggregates with the bytes
    `estimated` for them, `resident` bytes, and `cpu` seconds so far.
    """

    count: int
    seconds: float
    started: float
    latencies: Sequence[int]
    streams: Mapping[str, int]
    refused: int
    retries: int
    stored: int
    acknowledged: int
    faults: Sequence[str]
    note: str
    live: int
    estimated: int
    resident: int
    cpu: float


def rate_answer(rate: Rate) -> Answer:
    """A rate as it is sent."""
    return {
        "count": rate.count,
        "seconds": rate.seconds,
        "started": rate.started,
        "latencies": [round(value * 1e6) for value in rate.latencies],
    }


def rate_of(answer: Answer) -> Rate:
    """The rate in an answer."""
    latencies = [value / 1e6 for value in answer.get("latencies", ())]
    return Rate(
        answer.get("count", 0), answer.get("seconds", 0.0), latencies, answer.get("started", 0.0)
    )


def load_of(request: Mapping[str, Any]) -> Load:
    """The load in a request."""
    return Load(
        request.get("name", ""),
        request.get("in_flight", 1),
        request.get("seconds", 0.0),
        request.get("events", 1),
        request.get("count"),
        request.get("start"),
        request.get("first", 0),
    )


async def serve(
    answer: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, object]]], **ready: object
) -> None:
    """Announce that the worker is ready, then answer standard input line by line until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _write(ready)
    while line := await reader.readline():
        try:
            _write(await answer(json.loads(line)))
        except Exception:  # noqa: BLE001 - the harness reports it and continues with the others
            _write({"error": traceback.format_exc()})


def _write(answer: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
