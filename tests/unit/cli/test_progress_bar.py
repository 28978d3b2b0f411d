"""The progress bar is shown on terminals only."""

import pytest

from chekov.cli.progress_bar import ProgressBar, bar


def test_the_bar_fills() -> None:
    assert bar(0, 1000, 0).startswith(" " * 30 + "   0%  0 of 1,000 events")
    assert " 50%  500 of 1,000 events, 250/s, 2 s left" in bar(500, 1000, 2)
    assert bar(1000, 1000, 2).startswith("█" * 30 + " 100%")
    assert " 100%" in bar(0, 0, 1)


def test_nothing_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(quiet=False) as progress:
        progress(1, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("quiet", [True, False])
def test_on_a_terminal(
    *, quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar(quiet=quiet) as progress:
        progress(1, 1)
    assert ("100%" in capsys.readouterr().err) is not quiet
