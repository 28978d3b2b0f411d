"""Whether the commands of a new revision fare worse than those of the one that serves. Pure.

Both run at the same time, on the same store and with the same clients, so what is common to them,
such as a slow database, speaks against neither. Chance does not either: a share of few commands
says little, and every difference has to exceed what is likely by chance alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal, NamedTuple

from chekov.store.port import CommandFigures
from chekov.store.port.figures import begin_of
from chekov_operator.api.rollout import Abort

_DEVIATIONS: Final = 3.0
"""Standard deviations that a difference has to exceed; chance alone reaches them once in 700 times.
"""
_UNHARMFUL_SECONDS: Final = 0.005
"""Whatever takes less counts as this: nobody goes back from 0.4 to 0.2 ms."""
_QUANTILES: Final = ((0.5, "the median"), (0.95, "the 95th percentile"))
_GROWTH: Final = begin_of(2) / begin_of(1)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found.

    Attributes:
        outcome: whether the new revision may go on, or is worse.
        message: why, in one sentence with the figures.
    """

    outcome: Literal["fair", "too-few", "worse"]
    message: str

    @property
    def is_worse(self) -> bool:
        return self.outcome == "worse"


def compare(
    before: Sequence[CommandFigures],
    after: Sequence[CommandFigures],
    *,
    serving: str,
    candidate: str,
    abort: Abort,
) -> Comparison:
    """Compare two revisions by what their processes did between two readings of the store.

    Args:
        before: the earlier reading. A process that is missing there has begun since.
        after: the later reading.
        serving: the revision that has served until now.
        candidate: the one that is to replace it.
        abort: how much worse it may be.
    """
    old, new = (_between(before, after, revision) for revision in (serving, candidate))
    for each in (new, old):
        if each.commands < abort.min_commands:
            message = (
                f"revision {each.revision} executed {each.commands:,} commands, too few to compare "
                f"(at least {abort.min_commands:,})"
            )
            return Comparison("too-few", message)
    noise = _DEVIATIONS * sqrt(_variance(old) + _variance(new))
    if new.failure_ratio - old.failure_ratio > abort.failure_ratio + noise:
        message = (
            f"{_failures(new)}, {_failures(old)}: over {abort.failure_ratio:.3g} more of them fail"
        )
        return Comparison("worse", message)
    for quantile, name in _QUANTILES:
        least = new.seconds_at(quantile, -_DEVIATIONS)
        most = max(old.seconds_at(quantile, _DEVIATIONS), _UNHARMFUL_SECONDS)
        if least > abort.latency_factor * most:
            message = (
                f"commands take revision {new.revision} {_shown(new, quantile)} and revision "
                f"{old.revision} {_shown(old, quantile)} in {name}: over "
                f"{abort.latency_factor:g} times as long"
            )
            return Comparison("worse", message)
    message = (
        f"{_failures(new)}, {_failures(old)}; the median takes {_shown(new, 0.5)} and "
        f"{_shown(old, 0.5)}"
    )
    return Comparison("fair", message)


class _Interval(NamedTuple):
    """What the processes of one revision did between two readings."""

    revision: str
    commands: int
    failures: int
    durations: Sequence[int]

    @property
    def failure_ratio(self) -> float:
        return self.failures / self.commands

    def seconds_at(self, quantile: float, deviations: float = 0.0) -> float:
        """A quantile of the durations, or the end of its range of chance."""
        spread = deviations * sqrt(self.commands * quantile * (1 - quantile))
        rank = min(max(self.commands * quantile + spread, 0.0), float(self.commands))
        counted = 0
        for bucket, number in enumerate(self.durations):
            if number and counted + number >= rank:
                begin = begin_of(bucket) or begin_of(1) / _GROWTH
                return begin * _GROWTH ** ((rank - counted) / number)
            counted += number
        return 0.0


def _between(
    before: Iterable[CommandFigures], after: Iterable[CommandFigures], revision: str
) -> _Interval:
    earlier = {each.process: each for each in before}
    commands = failures = 0
    durations: list[int] = []
    for each in after:
        if each.revision != revision:
            continue
        known = earlier.get(each.process)
        commands += each.commands - (known.commands if known else 0)
        failures += each.failures - (known.failures if known else 0)
        _add(durations, each.durations, 1)
        _add(durations, known.durations if known else (), -1)
    return _Interval(revision, commands, failures, durations)


def _add(durations: list[int], other: Sequence[int], sign: int) -> None:
    durations.extend([0] * (len(other) - len(durations)))
    for bucket, number in enumerate(other):
        durations[bucket] += sign * number


def _variance(interval: _Interval) -> float:
    """Of the share of failing commands."""
    ratio = interval.failure_ratio
    return ratio * (1 - ratio) / interval.commands


def _failures(interval: _Interval) -> str:
    return (
        f"revision {interval.revision} failed {interval.failures:,} of "
        f"{interval.commands:,} commands"
    )


def _shown(interval: _Interval, quantile: float) -> str:
    return f"{interval.seconds_at(quantile) * 1000:.3g} ms"
