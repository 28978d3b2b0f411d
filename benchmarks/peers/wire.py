"""What the harness and its workers say to each other: one JSON object a line.

Only the standard library is used here, since one worker runs in an environment of its own.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

from benchmarks.measure import Rate
from benchmarks.peers.work import Load

LINE_LIMIT = 256 * 1024 * 1024


class Answer(TypedDict, total=False):
    """What a worker measured or found.

    `latencies` are microseconds, to keep lines short.
    """

    count: int
    seconds: float
    latencies: Sequence[int]
    stored: int
    acknowledged: int
    faults: Sequence[str]
    note: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate, and what was wrong with it."""

    rate: Rate
    faults: Sequence[str] = ()
    note: str = ""

    def answer(self) -> Answer:
        return {
            "count": self.rate.count,
            "seconds": self.rate.seconds,
            "latencies": [round(value * 1e6) for value in self.rate.latencies],
            "faults": list(self.faults),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """What is stored beside what was acknowledged."""

    stored: int
    acknowledged: int
    faults: Sequence[str]

    def answer(self) -> Answer:
        return {
            "stored": self.stored,
            "acknowledged": self.acknowledged,
            "faults": list(self.faults),
        }


class Worker(Protocol):
    """One system, ready to be measured."""

    async def append(self, load: Load) -> Measured: ...
    async def decide(self, load: Load) -> Measured: ...
    async def catch_up(self, seconds: float) -> Measured: ...
    async def live(self, load: Load, per_second: int, *, here: bool) -> Measured: ...
    async def idle(self, seconds: float) -> None: ...
    async def check(self) -> Checked: ...


async def serve(worker: Worker) -> None:
    """Say that the worker is ready, then answer standard input line by line until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _write({})
    while line := await reader.readline():
        _write(await _answer(worker, json.loads(line)))


def _write(answer: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def _answer(worker: Worker, request: Mapping[str, Any]) -> Mapping[str, object]:
    try:
        return await _measured(worker, request)
    except Exception:  # noqa: BLE001 - the harness shows it and goes on with the others
        return {"error": traceback.format_exc()}


async def _measured(worker: Worker, request: Mapping[str, Any]) -> Answer:
    load = Load(
        request.get("name", ""),
        request.get("in_flight", 1),
        request.get("seconds", 0.0),
        request.get("events", 1),
    )
    match request["do"]:
        case "append":
            return (await worker.append(load)).answer()
        case "decide":
            return (await worker.decide(load)).answer()
        case "catch_up":
            return (await worker.catch_up(load.seconds)).answer()
        case "live" | "live_here" as do:
            here = do == "live_here"
            return (await worker.live(load, request["per_second"], here=here)).answer()
        case "idle":
            await worker.idle(load.seconds)
            return {}
        case "check":
            return (await worker.check()).answer()
        case unknown:
            raise ValueError(f"no such request: {unknown}")
