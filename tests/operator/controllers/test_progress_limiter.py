"""Progress is written at most so often, for each object and for all together."""

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
    written = 0
    for tick in range(1000):
        clock.now = 1000 + tick / 100
        written += sum(limiter.wait(key(tick * 100 + number)) == 0 for number in range(20))
    assert 180 <= written <= 221
