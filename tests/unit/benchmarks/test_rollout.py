"""What the benchmark of rollouts makes of the commands that a load reports."""

from benchmarks.rollout import Ended, Window

COMMANDS = [Ended(10.0, 3.0, 200), Ended(11.0, 1.0, 200), Ended(12.0, 2.0, 503)]


def test_a_window_has_the_commands_that_were_due_within_it_whenever_they_ended() -> None:
    assert Window(10.0, 12.0).of(COMMANDS) == [1.0, 3.0]
    assert Window(11.5, 13.0).of(COMMANDS) == [2.0]
    assert Window(13.0, 14.0).of(COMMANDS) == []
