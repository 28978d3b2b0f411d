"""Two processes share a load."""

import time
from typing import Any, cast

import pytest

from benchmarks.lines import Answer
from benchmarks.process import WorkerProcess, halves, share


class FakeWorker:
    """Answers at once, and keeps its request."""

    def __init__(self, started: float, seconds: float) -> None:
        self._started = started
        self._seconds = seconds
        self.request: dict[str, Any] = {}

    async def ask(self, do: str, seconds: float = 0.0, **given: Any) -> Answer:
        self.request = {"do": do, "seconds": seconds, **given}
        return {"count": given["count"], "started": self._started, "seconds": self._seconds}


@pytest.mark.parametrize(
    ("total", "parts"), [(1, (1, 1)), (2, (1, 1)), (7, (4, 3)), (256, (128, 128))]
)
def test_each_half_has_at_least_one(total: int, parts: tuple[int, int]) -> None:
    assert halves(total) == parts


async def test_both_start_at_one_instant_with_half_of_the_load() -> None:
    fakes = FakeWorker(10.0, 2.0), FakeWorker(10.5, 3.5)
    before = time.perf_counter()
    rate, answers = await share(
        cast("tuple[WorkerProcess, WorkerProcess]", fakes),
        "append",
        count=9,
        in_flight=16,
        given=({"name": "x"}, {"name": "y"}),
    )
    first, second = (fake.request for fake in fakes)
    assert first["start"] == second["start"] > before
    assert [(r["name"], r["count"], r["in_flight"], r["first"]) for r in (first, second)] == [
        ("x", 5, 8, 0),
        ("y", 4, 8, 8),
    ]
    assert (rate.count, rate.started, rate.seconds) == (9, 10.0, 4.0)
    assert [answer.get("count") for answer in answers] == [5, 4]
