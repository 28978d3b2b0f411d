"""Times that come again: of which the clock of a zone shows some twice, and some never."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov.domain.recurrence import Missed, Recurrence


def at(text: str) -> datetime:
    """A time in UTC, written without a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def next_three(recurrence: Recurrence, after: str) -> list[datetime]:
    found = [recurrence.after(at(after))]
    while len(found) < 3:
        found.append(recurrence.after(found[-1]))
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 0 1 * *", "UTC", "2026-11-30T19:00", ["2026-12-01", "2027-01-01", "2027-02-01"]),
        (
            "0 0 1 * *",
            "Europe/Berlin",
            "2026-02-15T00:00",
            ["2026-02-28T23:00", "2026-03-31T22:00", "2026-04-30T22:00"],
        ),
        ("0 12 L 1-3 *", "UTC", "2027-12-01", ["2028-01-31T12", "2028-02-29T12", "2028-03-31T12"]),
        ("0 9 * * MON#1", "UTC", "2026-11-30", ["2026-12-07T09", "2027-01-04T09", "2027-02-01T09"]),
        # 02:30 does not exist on 29 March in Berlin, and exists twice on 25 October.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T00:00",
            ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T00:00",
            ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:30",
            ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"],
        ),
    ],
)
def test_due_times_follow_the_clock_of_the_zone(
    cron: str, zone: str, after: str, expected: list[str]
) -> None:
    assert next_three(Recurrence(cron, zone), after) == [at(time) for time in expected]


def test_a_time_that_the_clock_shows_again_is_not_due_again() -> None:
    """At 01:15 UTC it is 02:15 in Berlin for the second time that night."""
    recurrence = Recurrence("30 2 * * *", "Europe/Berlin")
    assert recurrence.after(at("2026-10-25T01:15")) == at("2026-10-26T01:30")


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
CRONS = st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15 1-3 * * SUN", "0 12 L * *"])
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(CRONS, ZONES, TIMES)
def test_the_next_due_time_is_later_and_there_is_none_between(
    cron: str, zone: str, time: datetime
) -> None:
    recurrence = Recurrence(cron, zone)
    due = recurrence.after(time)
    assert due > time
    assert recurrence.after(due - timedelta(seconds=1)) == due
    assert recurrence.after(time + (due - time) / 2) == due


NOON = at("2026-01-10T12:00")


@pytest.mark.parametrize(
    ("missed", "now", "runs", "next_due"),
    [
        # In time, or as good as.
        ("once", NOON, [0], 1),
        ("skip", NOON, [0], 1),
        ("all", NOON, [0], 1),
        ("skip", NOON + timedelta(seconds=59), [0], 1),
        # Three days later.
        ("once", NOON + timedelta(days=3, hours=1), [0], 4),
        ("skip", NOON + timedelta(days=3, hours=1), [], 4),
        ("skip", NOON + timedelta(days=3, seconds=5), [3], 4),
        ("all", NOON + timedelta(days=3, hours=1), [0, 1, 2, 3], 4),
        # More than can be returned at once.
        ("all", NOON + timedelta(days=30), [0, 1, 2, 3, 4], 5),
    ],
)
def test_missed_runs_are_made_up_for_as_they_should_be(
    missed: Missed, now: datetime, runs: list[int], next_due: int
) -> None:
    found, due = Recurrence("0 12 * * *", missed=missed).runs(NOON, now, limit=5)
    assert [(time - NOON).days for time in found] == runs
    assert due == NOON + timedelta(days=next_due)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("0 0 1 *",), r"'0 0 1 \*' is not five fields, such as '0 0 1 \* \*'"),
        (("* * * * * *",), "is not five fields"),
        (("@daily",), "is not five fields"),
        (("1," * 200 + "1 * * * *",), "is not five fields"),
        (("61 * * * *",), "cannot be used: Bad minute"),
        (("0 0 30 2 *",), "cannot be used: Bad day-of-month"),
        (("* * * * MON#1/2",), "cannot be used: Bad day-of-week"),
        (("0 0 1 * *", "Berlin"), "'Berlin' is unknown: give an IANA name"),
        (("0 0 1 * *", "localtime"), "'localtime' is unknown: give an IANA name"),
        (("0 0 1 * *", "../Europe/Berlin"), "is unknown"),
        (("0 0 1 * *", "\0"), "is unknown"),
        (("0 0 1 * *", "UTC", "never"), "'never' is not 'once', 'skip' or 'all'"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recurrence(*arguments)


FIELDS = st.text("0123459*/,-#LWMONJA", min_size=1, max_size=5)


@given(st.lists(FIELDS, min_size=5, max_size=5))
def test_any_text_is_read_or_refused(fields: list[str]) -> None:
    try:
        recurrence = Recurrence(" ".join(fields))
    except ValueError:
        return
    assert recurrence.after(NOON) > NOON
