"""The result of a check, as it is printed and stored."""

import pytest

from chekov_operator.controllers.bundle.check_result import parse_result


@pytest.mark.parametrize(
    "said", [None, "", "Killed", "[1]", '"ok"', '{"status": 1}', "{", "[" * 50_000]
)
def test_other_output_of_a_check_is_not_a_result(said: str | None) -> None:
    assert parse_result(said) is None


def test_the_result_of_a_check_is_parsed() -> None:
    assert parse_result('{"ok": true, "domain": "bank"}') == {"ok": True, "domain": "bank"}
