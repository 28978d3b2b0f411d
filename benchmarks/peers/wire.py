"""What the harness may ask of each system's worker.

Only the standard library is used here, since one worker runs in an environment of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.lines import Answer, load_of, rate_answer
from benchmarks.lines import serve as serve_lines
from benchmarks.measure import Load, Rate


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate, and what the check of the same events found."""

    rate: Rate
    faults: Sequence[str] = ()
    note: str = ""

    def answer(self) -> Answer:
        answer = rate_answer(self.rate)
        answer["faults"] = list(self.faults)
        answer["note"] = self.note
        return answer


@dataclass(frozen=True, slots=True)
class Checked:
    """The number of events stored, beside the number acknowledged."""

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
    async def project(self, seconds: float) -> Measured: ...
    async def process(self, seconds: float) -> Measured: ...
    async def live(self, load: Load, per_second: int, *, here: bool) -> Measured: ...
    async def idle(self, seconds: float) -> None: ...
    async def check(self) -> Checked: ...

    def acknowledged(self) -> Mapping[str, int]:
        """Events acknowledged in each stream."""
        ...

    def merge(self, streams: Mapping[str, int]) -> None:
        """Add events that were acknowledged to another process, for the next check."""
        ...


async def serve(worker: Worker, **ready: object) -> None:
    """Announce `ready`, then answer the harness until it closes standard input."""

    async def answer(request: Mapping[str, Any]) -> Answer:
        return await _answer(worker, request)

    await serve_lines(answer, **ready)


async def _answer(worker: Worker, request: Mapping[str, Any]) -> Answer:
    load = load_of(request)
    match request["do"]:
        case "append":
            return (await worker.append(load)).answer()
        case "decide":
            return (await worker.decide(load)).answer()
        case "catch_up" | "project" | "process" as do:
            measures = {
                "catch_up": worker.catch_up,
                "project": worker.project,
                "process": worker.process,
            }
            return (await measures[do](load.seconds)).answer()
        case "live" | "live_here" as do:
            here = do == "live_here"
            return (await worker.live(load, request["per_second"], here=here)).answer()
        case "idle":
            await worker.idle(load.seconds)
            return {}
        case "check":
            return (await worker.check()).answer()
        case "acknowledged":
            return {"streams": worker.acknowledged()}
        case "merge":
            worker.merge(request["streams"])
            return {}
        case unknown:
            raise ValueError(f"unknown request: {unknown}")
