"""The result of a check, as it is printed and stored."""

import json
from typing import Any

import pytest

from chekov_operator.controllers.bundle.check_result import is_whole, parse_result
from chekov_operator.kube.objects import Object


@pytest.mark.parametrize(
    "said", [None, "", "Killed", "[1]", '"ok"', '{"status": 1}', '{"ok": "yes"}', "{", "[" * 50_000]
)
def test_other_output_of_a_check_is_not_a_result(said: str | None) -> None:
    assert parse_result(said) is None


def test_the_result_of_a_check_is_parsed() -> None:
    assert parse_result('{"ok": true, "domain": "bank"}') == {"ok": True, "domain": "bank"}


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ({"reason": "not a word"}, {"reason": "InvalidDomain"}),
        ({"reason": 7}, {"reason": "InvalidDomain"}),
        ({"reason": "Custom"}, {"reason": "Custom"}),
        ({"message": "\x1b[31mred", "domain": ["bank"]}, {"message": " [31mred"}),
        ({"faults": ["one", 2], "events": "Opened"}, {"faults": ["one"]}),
        ({"left_off": {"faults": 3, "else": 1}}, {"leftOff": {"faults": 3}}),
        ({"left_off": ["faults"], "unknown": 1}, {}),
        (
            {"subscriptions": [{"name": "a", "version": 2, "kind": "handler"}, {"name": "b"}, 3]},
            {"subscriptions": [{"name": "a", "version": 2, "kind": "handler"}]},
        ),
    ],
)
def test_what_a_result_cannot_have_is_left_out(given: dict[str, Any], parsed: Object) -> None:
    expected = {"ok": False, "reason": "InvalidDomain", **parsed}
    assert parse_result(json.dumps({"ok": False, **given})) == expected


def test_a_result_from_which_something_was_left_out_is_not_whole() -> None:
    assert is_whole({"ok": True, "events": []})
    assert not is_whole({"ok": True, "events": [], "leftOff": {"events": 1}})
    assert not is_whole(None)
