"""`spec.subscriptions` of a bundle becomes settings of handlers, in a cluster and on a laptop."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chekov import HandlerSettings, Retry
from chekov.server.handler_settings import handler_settings
from chekov.server.settings import Settings, SettingsError


def read(*items: Any) -> Any:
    return handler_settings(json.dumps(items))


def test_every_field_is_read() -> None:
    found = read(
        {
            "name": "mailer",
            "retry": {"attempts": 9, "first": 0.5, "longest": 60},
            "onFailure": "skip",
            "partitions": 4,
            "startFrom": "now",
            "consistency": "strong",
        },
        {"name": "totals", "retry": {"attempts": 2}},
        {"name": "idle"},
    )
    assert found == {
        "mailer": HandlerSettings(
            retry=Retry(9, 0.5, 60),
            on_failure="skip",
            partitions=4,
            start_from="now",
            consistency="strong",
        ),
        "totals": HandlerSettings(retry=Retry(attempts=2)),
        "idle": HandlerSettings(),
    }


@pytest.mark.parametrize(
    ("start", "read_as"),
    [
        ("origin", "origin"),
        ("1200", 1200),
        (1200, 1200),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T10:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_a_start_is_a_word_a_position_or_a_time(start: Any, read_as: Any) -> None:
    assert read({"name": "mailer", "startFrom": start})["mailer"].start_from == read_as


FAULTS: list[tuple[list[Any], str]] = [
    ([1], "[0] must be an object"),
    ([{}], "[0].name must be the name of a handler"),
    ([{"name": "a"}, {"name": "a"}], "[1]: the settings of a are given twice"),
    ([{"name": "a", "retries": 3}], "[0].retries: there is consistency, name, onFailure"),
    ([{"name": "a", "retry": 3}], "a.retry must be an object"),
    ([{"name": "a", "retry": {"attempts": 1.5}}], "a.retry.attempts must be a whole number"),
    ([{"name": "a", "retry": {"first": "1"}}], "a.retry.first must be a number of seconds"),
    ([{"name": "a", "onFailure": "ignore"}], "a.onFailure must be park or skip or stop"),
    ([{"name": "a", "partitions": True}], "a.partitions must be a whole number"),
    ([{"name": "a", "startFrom": "later"}], "a.startFrom must be origin, now, a position"),
    ([{"name": "a", "consistency": "weak"}], "a.consistency must be eventual or strong"),
]


@pytest.mark.parametrize(("items", "fault"), FAULTS)
def test_a_fault_says_where_it_is(items: Any, fault: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read(*items)
    assert fault in str(caught.value)


def test_the_variable_holds_a_list_in_json() -> None:
    text = '[{"name": "mailer", "partitions": 2}]'
    found = Settings.read({"CHEKOV_SUBSCRIPTIONS": text}).subscriptions
    assert found == {"mailer": HandlerSettings(partitions=2)}
    assert Settings.read({}).subscriptions is None
    for odd, fault in (
        ("{}", "not a list of objects"),
        ("[", "not JSON"),
        ("[" * 50_000, "(nested too deeply|not JSON)"),  # by the version of Python
    ):
        with pytest.raises(SettingsError, match=rf"CHEKOV_SUBSCRIPTIONS: .*{fault}"):
            Settings.read({"CHEKOV_SUBSCRIPTIONS": odd})
