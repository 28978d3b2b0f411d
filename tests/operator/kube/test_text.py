"""Text of users' images in statuses and Events."""

import pytest

from chekov_operator.kube.text import printable, reason_or


def test_control_characters_become_spaces_and_lines_stay() -> None:
    assert printable("\u00e9 \u20ac") == "\u00e9 \u20ac"
    assert printable("one\n\x1b[2Jtwo\x00\u202e") == "one\n [2Jtwo  "


@pytest.mark.parametrize("reason", ["ImportFailed", "A", "Custom:Reason_1"])
def test_a_reason_stays(reason: str) -> None:
    assert reason_or(reason, "InvalidDomain") == reason


@pytest.mark.parametrize("text", ["", "two words", "1st", "ends:", "a" * 1025, "A\n", None, 7])
def test_what_the_api_server_would_refuse_is_replaced(text: object) -> None:
    assert reason_or(text, "InvalidDomain") == "InvalidDomain"
