"""Results that are found in whatever else a process printed."""

import pytest

from chekov.serialization.frame import UnreadableFrame, framed, last_frame

RESULT = '{"ok": true, "domain": "\u00e9\u2028bank"}'


@pytest.mark.parametrize("before", ["", "importing\n", f"{framed(b'{}')}\n"])
@pytest.mark.parametrize("after", ["", "\n", "\na thread was still there\n"])
def test_the_last_result_is_found_among_other_output(before: str, after: str) -> None:
    assert last_frame(f"{before}{framed(RESULT.encode())}{after}") == RESULT


def test_a_result_that_was_cut_is_told_from_none() -> None:
    with pytest.raises(UnreadableFrame, match="is cut: 10 of"):
        last_frame(framed(RESULT.encode())[:27])
    with pytest.raises(UnreadableFrame, match="has no result"):
        last_frame("Traceback\nKeyError: chekov-result\n")


def test_a_mark_with_anything_else_after_it_is_cut() -> None:
    with pytest.raises(UnreadableFrame, match="is cut"):
        last_frame("chekov-result")
