"""Conditions: their time is the time of their last turn."""

from datetime import UTC, datetime

from chekov_operator.api.conditions import false, rendered, true, unknown

EARLIER = "2026-11-24T10:00:00Z"
NOW = datetime(2026, 11, 24, 12, 30, 15, tzinfo=UTC)
KNOWN = {
    "type": "Ready",
    "status": "True",
    "reason": "Serving",
    "message": "2 of 2",
    "observedGeneration": "1",
    "lastTransitionTime": EARLIER,
}


def test_a_condition_that_turns_gets_the_time_of_now() -> None:
    (ready,) = rendered([false("Ready", "RollingOut", "revision b")], [KNOWN], 2, NOW)
    assert ready == {
        "type": "Ready",
        "status": "False",
        "reason": "RollingOut",
        "message": "revision b",
        "observedGeneration": 2,
        "lastTransitionTime": "2026-11-24T12:30:15Z",
    }


def test_a_condition_that_stays_keeps_its_time_though_its_reason_changes() -> None:
    (ready,) = rendered([true("Ready", "Stopped", "0 of 0")], [KNOWN], 2, NOW)
    assert ready["lastTransitionTime"] == EARLIER
    assert (ready["reason"], ready["message"], ready["observedGeneration"]) == (
        "Stopped",
        "0 of 0",
        2,
    )


def test_a_new_condition_begins_now() -> None:
    (checked,) = rendered([unknown("Checked", "Checking")], [KNOWN], 1, NOW)
    assert checked["lastTransitionTime"] == "2026-11-24T12:30:15Z"
    assert (checked["status"], checked["message"]) == ("Unknown", "")


def test_conditions_come_by_their_type_and_the_others_go() -> None:
    found = rendered([true("Ready", "Serving"), false("Degraded", "AsExpected")], [KNOWN], 1, NOW)
    assert [item["type"] for item in found] == ["Degraded", "Ready"]


def test_the_same_conditions_are_rendered_the_same() -> None:
    first = rendered([true("Ready", "Serving"), true("Checked", "Passed")], [], 1, NOW)
    assert rendered([true("Checked", "Passed"), true("Ready", "Serving")], first, 1) == first


def test_a_message_is_cut_at_what_the_schema_allows() -> None:
    (ready,) = rendered([false("Ready", "ImportFailed", "x" * 40_000)], [], 1, NOW)
    assert len(ready["message"]) <= 32_768
