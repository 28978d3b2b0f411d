"""Progress is written at most so often, for each object and for all together."""

import pytest

from chekov_operator.controllers.progress_limiter import ProgressLimiter
from chekov_operator.kube.kinds import SUBSCRIPTION, Key


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> Key:
    return Key(SUBSCRIPTION.name, "shops", f"bank-{number}")


def test_one_object_is_written_at_most_once_in_15_seconds() -> None:
    clock = Clock()
    limiter = ProgressLimiter(clock)
    assert limiter.wait(key(1)) == 0
    clock.now += 5
    assert limiter.wait(key(1)) == 10
    clock.now += 10
    assert limiter.wait(key(1)) == 0


def test_what_was_forgotten_begins_anew() -> None:
    clock = Clock()
    limiter = ProgressLimiter(clock)
    assert limiter.wait(key(1)) == 0
    clock.now += 1
    limiter.forget(key(1))
    assert limiter.wait(key(1)) == 0


def test_all_together_are_written_20_times_a_second() -> None:
    clock = Clock()
    limiter = ProgressLimiter(clock)
    waits = sorted(limiter.wait(key(number)) for number in range(1000))
    # Time that nobody used before is good for one second.
    assert waits[:21] == [0] * 21
    assert waits[-1] == pytest.approx((1000 - 21) / 20)


def test_each_comes_back_once_however_many_wait() -> None:
    clock = Clock()
    limiter = ProgressLimiter(clock)
    due = dict.fromkeys(range(1000), clock.now)
    tries = 0
    while due:
        number = min(due, key=lambda number: due[number])
        clock.now = due[number]
        tries += 1
        wait = limiter.wait(key(number))
        if wait:
            due[number] = clock.now + wait
        else:
            del due[number]
    assert tries < 3 * 1000


def test_turns_that_were_not_taken_expire() -> None:
    clock = Clock()
    limiter = ProgressLimiter(clock, most_a_second=1)
    assert [limiter.wait(key(number)) for number in range(4)] == [0, 0, 1, 2]
    clock.now += 10
    assert limiter.wait(key(2)) == 0
    clock.now += 20
    assert [limiter.wait(key(number)) for number in (4, 5, 3)] == [0, 0, 1]
