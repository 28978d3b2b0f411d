"""What the harness may ask of each system's worker.

Only the standard library is used here, since one worker runs in an environment of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

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
    async def catch_up(self, seconds: float) -> Measured: ...
    async def check(self) -> Checked: ...

    def acknowledged(self) -> Mapping[str, int]:
        """Events acknowledged in each stream."""
        ...

    def merge(self, streams: Mapping[str, int]) -> None:
        """Add events that were acknowledged to another process, for the next check."""
        ...


@runtime_checkable
class Followed(Protocol):
    """Measures decisions and subscribers as well."""

    async def decide(self, load: Load) -> Measured: ...
    async def live(self, load: Load, per_second: int, *, here: bool) -> Measured: ...
    async def live_busy(self, load: Load) -> Measured: ...
    async def idle(self, seconds: float) -> None: ...


@runtime_checkable
class Processing(Protocol):
    """Measures projections and process managers as well."""

    async def project(self, seconds: float) -> Measured: ...
    async def process(self, seconds: float) -> Measured: ...


async def serve(worker: Worker, **ready: object) -> None:
    """Announce `ready`, then answer the harness until it closes standard input."""

    async def answer(request: Mapping[str, Any]) -> Answer:
        return await _answer(worker, request)

    await serve_lines(answer, **ready)


async def _answer(worker: Worker, request: Mapping[str, Any]) -> Answer:
    match request["do"]:
        case "check":
            return (await worker.check()).answer()
        case "acknowledged":
            return {"streams": worker.acknowledged()}
        case "merge":
            worker.merge(request["streams"])
            return {}
        case "idle" if isinstance(worker, Followed):
            await worker.idle(load_of(request).seconds)
            return {}
        case do:
            return (await _measured(worker, do, request)).answer()


async def _measured(worker: Worker, do: str, request: Mapping[str, Any]) -> Measured:
    load = load_of(request)
    match do:
        case "append":
            return await worker.append(load)
        case "catch_up":
            return await worker.catch_up(load.seconds)
        case "decide" if isinstance(worker, Followed):
            return await worker.decide(load)
        case "live" | "live_here" if isinstance(worker, Followed):
            return await worker.live(load, request["per_second"], here=do == "live_here")
        case "live_busy" if isinstance(worker, Followed):
            return await worker.live_busy(load)
        case "project" if isinstance(worker, Processing):
            return await worker.project(load.seconds)
        case "process" if isinstance(worker, Processing):
            return await worker.process(load.seconds)
        case _:
            raise ValueError(f"this worker cannot do {do!r}")
