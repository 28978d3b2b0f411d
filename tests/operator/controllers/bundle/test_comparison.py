"""A new revision is judged by its commands beside those of the revision that serves."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chekov.store.port import CommandFigures
from chekov.store.port.figures import BUCKETS, bucket_of
from chekov_operator.controllers.bundle.comparison import Abort, Comparison, compare

ABORT = Abort()


def figures(
    revision: str, durations: Sequence[int], failures: int = 0, process: str = ""
) -> CommandFigures:
    process = process or f"{revision}/1"
    commands = sum(durations)
    return CommandFigures(process, "bank", revision, commands, failures, list(durations))


def taking(seconds: float, commands: int) -> list[int]:
    return [*[0] * bucket_of(seconds), commands]


def judged(
    *after: CommandFigures, before: Sequence[CommandFigures] = (), abort: Abort = ABORT
) -> Comparison:
    return compare(before, after, serving="old", candidate="new", abort=abort)


histograms = st.lists(st.integers(0, 500), min_size=1, max_size=BUCKETS - 8)


@st.composite
def counted(draw: st.DrawFn, revision: str = "old") -> CommandFigures:
    durations = draw(histograms)
    return figures(revision, durations, draw(st.integers(0, sum(durations))))


@given(counted())
def test_equal_figures_are_never_worse(old: CommandFigures) -> None:
    assert not judged(old, replace(old, revision="new", process="new/1")).is_worse


@given(counted(), st.integers(0, 8), st.floats(0, 1))
def test_what_is_faster_and_fails_less_is_never_worse(
    old: CommandFigures, faster: int, share: float
) -> None:
    durations = [sum(old.durations[: faster + 1]), *old.durations[faster + 1 :]]
    assert not judged(old, figures("new", durations, int(old.failures * share))).is_worse


@given(counted(), counted("new"))
def test_exactly_fewer_commands_than_asked_for_are_too_few(
    old: CommandFigures, new: CommandFigures
) -> None:
    few = min(old.commands, new.commands) < ABORT.min_commands
    assert (judged(old, new).outcome == "too-few") == few


@given(counted(), counted("new"), counted(), counted("new"))
def test_what_was_done_before_does_not_count(
    old: CommandFigures, new: CommandFigures, old_before: CommandFigures, new_before: CommandFigures
) -> None:
    after = [_sum(old, old_before), _sum(new, new_before)]
    assert judged(*after, before=[old_before, new_before]) == judged(old, new)


@given(counted(), counted("new"), counted("new"))
def test_it_does_not_matter_which_process_did_it(
    old: CommandFigures, one: CommandFigures, other: CommandFigures
) -> None:
    """One that began later, or ended meanwhile, counts with all that it did."""
    both = judged(old, _sum(one, other))
    assert judged(old, one, replace(other, process="new/2")) == both


@given(st.integers(ABORT.min_commands, 10**6), st.floats(0.005, 20))
def test_what_takes_three_times_as_long_is_worse(commands: int, seconds: float) -> None:
    slow = figures("new", taking(3 * seconds, commands))
    found = judged(figures("old", taking(seconds, commands)), slow)
    assert found.is_worse
    assert "over 2 times as long" in found.message


@given(st.integers(ABORT.min_commands, 10**6))
def test_what_is_fast_enough_is_not_worse(commands: int) -> None:
    """Ten times 0.3 ms is still nothing that anybody notices."""
    old, new = taking(0.0003, commands), taking(0.003, commands)
    assert not judged(figures("old", old), figures("new", new)).is_worse


@given(st.integers(ABORT.min_commands, 10**6))
def test_a_slow_tail_is_worse(commands: int) -> None:
    """Such as one kind of command out of five."""
    old = taking(0.01, commands)
    tail = commands // 5
    new = taking(0.01, commands - tail)
    new += [*[0] * (bucket_of(0.2) - len(new)), tail]
    assert judged(figures("old", old), figures("new", new)).is_worse


@given(st.integers(ABORT.min_commands, 10**6))
def test_commands_that_fail_are_worse(commands: int) -> None:
    old, new = (figures(revision, taking(0.01, commands)) for revision in ("old", "new"))
    found = judged(old, replace(new, failures=commands // 5))
    assert found.is_worse
    assert f"revision new failed {commands // 5:,} of {commands:,} commands" in found.message
    assert not judged(replace(old, failures=commands // 5), new).is_worse


def test_failures_that_both_have_speak_against_neither() -> None:
    """As while the database is away."""
    old, new = (figures(revision, taking(0.01, 1000), 900) for revision in ("old", "new"))
    assert judged(old, new).outcome == "fair"


def test_a_few_failures_may_be_chance_and_the_same_share_of_many_is_not() -> None:
    for commands, is_worse in ((200, False), (20000, True)):
        old, new = (figures(revision, taking(0.01, commands)) for revision in ("old", "new"))
        assert judged(old, replace(new, failures=commands // 30)).is_worse == is_worse


def test_pods_that_report_nothing_are_too_few_commands() -> None:
    """As those of a release before."""
    assert judged(figures("new", taking(0.01, 5000))).message == (
        "revision old executed 0 commands, too few to compare (at least 200)"
    )


def _sum(one: CommandFigures, other: CommandFigures) -> CommandFigures:
    length = max(len(one.durations), len(other.durations))
    durations = [0] * length
    for each in (one.durations, other.durations):
        for bucket, number in enumerate(each):
            durations[bucket] += number
    return figures(one.revision, durations, one.failures + other.failures, one.process)
