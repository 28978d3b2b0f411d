"""Polling one store: who is told, and when it is read again. In virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from chekov.store.postgres.inspect import Progress, StoreStatus
from chekov_operator.api.event_store import Store
from chekov_operator.api.fault import Fault
from chekov_operator.kube.api_error import ApiUnavailable
from chekov_operator.stores.poller import LONGEST_RETRY_SECONDS, Poller, Reading
from tests.operator.samples import store
from tests.operator.virtual_time import elapsed, run_virtually

GOOD = Reading(
    "db", state=StoreStatus("18.4", 1, 1, 7, 3, 8192, usable=True), progress=Progress([], 7)
)
AWAY = Reading("db", unreachable=Fault("Unreachable", "away"))
REFRESH = 15.0


class Polled:
    """A poller whose reads are answered in turn, the last answer for ever."""

    def __init__(self, *answers: Reading | Exception) -> None:
        self.reads: list[float] = []
        self.told: list[Reading | None] = []
        self._answers = list(answers)
        self.poller = Poller(store(), self._read, self._changed, refresh_seconds=REFRESH)

    async def run(self, seconds: float, then: Callable[[], None] = lambda: None) -> None:
        task = asyncio.create_task(self.poller.run())
        await asyncio.sleep(seconds)
        then()
        await asyncio.sleep(seconds)
        task.cancel()

    async def _read(self, _store: Store) -> Reading:
        self.reads.append(elapsed())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _changed(self) -> None:
        self.told.append(self.poller.reading)

    @property
    def pauses(self) -> list[float]:
        return [b - a for a, b in zip(self.reads, self.reads[1:], strict=False)]


def test_a_store_that_does_not_change_is_told_of_once() -> None:
    polled = Polled(GOOD)
    run_virtually(polled.run(100))
    assert polled.told == [GOOD]
    assert all(REFRESH * 0.9 <= pause <= REFRESH * 1.1 for pause in polled.pauses)


def test_one_failed_read_is_not_an_outage() -> None:
    polled = Polled(GOOD, AWAY, GOOD)
    run_virtually(polled.run(100))
    assert polled.told == [GOOD]


def test_an_outage_is_told_after_a_second_read_which_comes_soon() -> None:
    polled = Polled(GOOD, AWAY, AWAY, GOOD)
    run_virtually(polled.run(100))
    assert polled.told == [GOOD, AWAY, GOOD]
    assert polled.pauses[1] < 2


def test_a_store_that_never_answered_is_told_of_at_once() -> None:
    polled = Polled(AWAY)
    run_virtually(polled.run(1))
    assert polled.told == [AWAY]


def test_a_dead_store_is_read_less_and_less_often() -> None:
    polled = Polled(AWAY)
    run_virtually(polled.run(600))
    assert polled.pauses[0] < 4
    assert LONGEST_RETRY_SECONDS * 0.9 <= polled.pauses[-1] <= LONGEST_RETRY_SECONDS * 1.1


def test_a_hurried_store_is_read_soon_and_only_once() -> None:
    polled = Polled(GOOD)
    run_virtually(polled.run(5, polled.poller.hurry))
    assert len(polled.reads) == 2
    assert polled.pauses[0] < 6


def test_a_hurry_during_a_pause_that_has_just_begun_leaves_a_second_between_two_reads() -> None:
    polled = Polled(GOOD)
    run_virtually(polled.run(0.1, polled.poller.hurry))
    assert len(polled.reads) == 1


def test_what_was_read_stays_while_the_api_server_is_away() -> None:
    polled = Polled(GOOD, ApiUnavailable("no answer"), ValueError("a mistake"), GOOD)
    run_virtually(polled.run(200))
    assert polled.told == [GOOD]
    assert len(polled.reads) > 4


def test_figures_that_change_all_the_time_are_news_to_nobody_but_the_newest_are_there() -> None:
    state = GOOD.state
    assert state is not None
    polled = Polled(GOOD, replace(GOOD, state=replace(state, connections=90)))
    run_virtually(polled.run(50))
    assert len(polled.told) == 1
    assert polled.poller.reading is not None
    assert polled.poller.reading.state is not None
    assert polled.poller.reading.state.connections == 90
