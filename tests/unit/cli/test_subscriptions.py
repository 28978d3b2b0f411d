"""`chekov subscriptions` refuses what it cannot mean before it looks for a store."""

import pytest

from chekov.cli import main


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["retry"], "retry needs the NAME of a subscription"),
        (["parked"], "parked needs the NAME of a subscription"),
        (["remove"], "remove needs the NAME of a subscription"),
        (["remove", "mail"], "remove needs --version: which one of them"),
        (["rewind", "mail"], "rewind needs --from: origin, a position or a time"),
        (["rewind", "mail", "--from", "0"], "rewind --from must be origin, now, a position"),
        (["retry", "mail"], "retry needs --key, --fingerprint or --position, or --all"),
        (["discard", "mail", "--all"], "discard needs --reason: why the events are given up"),
        (["discard", "mail", "--all", "--reason", " "], "discard needs --reason"),
        (["discard", "mail", "--reason", "x"], "discard needs --key, --fingerprint or --position"),
    ],
)
def test_what_is_missing_is_named(
    arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["subscriptions", *arguments]) == 2
    assert fault in capsys.readouterr().err
