"""Query strings of pages are read strictly."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from multidict import MultiDict

from chekov.server import parameters
from chekov.server.parameters import Page
from chekov.server.problems import RequestError
from chekov.store.port import RecordedEvent


def test_a_page_has_defaults() -> None:
    assert parameters.page(MultiDict(), {}) == Page(after=0, limit=100, direction="forward")


@pytest.mark.parametrize("value", ["0" * 5000, "0" * 5000 + "7"])
def test_zeros_before_a_number_do_not_count(value: str) -> None:
    assert parameters.after(MultiDict({"after": value})) == int(value[-1])


def test_a_page_is_read() -> None:
    query = MultiDict({"after": "7", "limit": "1000", "direction": "backward"})
    assert parameters.page(query, {}) == Page(after=7, limit=1000, direction="backward")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", "-1"),
        ("after", "x"),
        ("after", "9223372036854775808"),
        ("after", "9" * 5000),
        ("after", "0" * 20 + "9" * 30),
        ("after", "٣"),
        ("limit", "0"),
        ("limit", "1001"),
        ("direction", "sideways"),
        ("types", "a"),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(RequestError, match=name):
        parameters.page(MultiDict({name: value}), {}, {"type"})


FLOW, CAUSE = uuid4(), uuid4()
EVENT = RecordedEvent(
    1, "account-1", 1, uuid4(), "a", b"{}", None, FLOW, CAUSE, datetime(2026, 1, 1, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("parameter", "value", "kept"),
    [
        ("type", "a", True),
        ("type", "b", False),
        ("category", "account", True),
        ("category", "accounts", False),
        ("category", "acc", False),
        ("prefix", "acc", True),
        ("prefix", "account-2", False),
        ("correlation", str(FLOW), True),
        ("correlation", str(CAUSE), False),
        ("causation", str(CAUSE).upper(), True),
        ("causation", str(FLOW), False),
    ],
)
def test_a_filter_keeps_what_it_names(parameter: str, value: str, *, kept: bool) -> None:
    wanted = parameters.event_filter(MultiDict([("type", "a"), (parameter, value)]))
    if parameter == "type":
        wanted = parameters.event_filter(MultiDict([("type", "c"), (parameter, value)]))
    assert wanted.matches(EVENT) is kept


def test_no_filter_keeps_everything() -> None:
    assert parameters.event_filter(MultiDict()).matches(EVENT)


def test_an_id_is_a_uuid() -> None:
    for name in ("correlation", "causation"):
        with pytest.raises(RequestError, match=name):
            parameters.event_filter(MultiDict({name: "seven"}))


def test_an_end_is_a_version_or_a_time() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for value, end in (
        ("7", 7),
        ("2026-01-31T12:00:00Z", noon),
        ("2026-01-31T13:00:00+01:00", noon),
        ("2026-01-31T13:00:00 01:00", noon),
    ):
        assert parameters.until(MultiDict({"until": value})) == end
    assert parameters.until(MultiDict()) is None


@pytest.mark.parametrize(
    "value",
    ["", "0", "-1", "x", "2026-01-31T12:00:00", "0001-01-01T00:00:00+14:00", "\0", "\u0663"],
)
def test_a_bad_end_is_named(value: str) -> None:
    with pytest.raises(RequestError, match="until"):
        parameters.until(MultiDict({"until": value}))


def test_a_page_goes_on_after_the_last_event_that_the_client_has() -> None:
    assert parameters.page(MultiDict(after="3"), {"Last-Event-ID": "7"}).after == 7
    with pytest.raises(RequestError, match="Last-Event-ID: expected a position"):
        parameters.page(MultiDict(), {"Last-Event-ID": "-1"})
