"""Headers become typed values, or a problem that names the header."""

from uuid import UUID

import pytest
from multidict import CIMultiDict

from chekov.server import headers
from chekov.server.problems import RequestError
from chekov.store.port import Expected

ID = "0192f0c1-0000-7000-8000-000000000001"


def given(**values: str) -> CIMultiDict[str]:
    return CIMultiDict({name.replace("_", "-"): value for name, value in values.items()})


def test_ids_are_uuids() -> None:
    assert headers.correlation_id(given(x_correlation_id=ID)) == UUID(ID)
    assert headers.command_id(given(idempotency_key=f'"{ID}"')) == UUID(ID)
    assert headers.correlation_id(given()) is None


@pytest.mark.parametrize("value", ["", "7", "order-7"])
def test_an_id_must_be_a_uuid(value: str) -> None:
    with pytest.raises(RequestError, match="X-Correlation-ID: expected a UUID"):
        headers.correlation_id(given(x_correlation_id=value))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"if_match": '"3"'}, 3),
        ({"if_match": "3"}, 3),
        ({"if_match": 'W/"12"'}, 12),
        ({"if_match": "*"}, Expected.STREAM_EXISTS),
        ({"if_none_match": "*"}, Expected.NO_STREAM),
    ],
)
def test_if_match_is_the_expected_version(values: dict[str, str], expected: int | None) -> None:
    assert headers.expected_version(given(**values)) == expected


@pytest.mark.parametrize(
    "values",
    [
        {"if_match": "three"},
        {"if_match": '"3'},
        {"if_match": "-1"},
        {"if_match": '"1", "2"'},
        {"if_none_match": '"3"'},
        {"if_none_match": "*", "if_match": "3"},
    ],
)
def test_another_expectation_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(RequestError, match=r"If-(None-)?Match"):
        headers.expected_version(given(**values))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("wait=5", 5.0),
        ("respond-async, wait=10", 10.0),
        ("return=minimal; wait = 3", 3.0),
        ("wait=100000", 60.0),
        ("await=5", None),
        ("wait=soon", None),
        ("return=minimal", None),
    ],
)
def test_prefer_wait_grants_seconds(value: str, seconds: float | None) -> None:
    assert headers.wait(given(prefer=value)) == seconds


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("wait=5", None),
        ('wait=5; handlers="balances"', ["balances"]),
        ('handlers="balances, Mailer" ; wait=5', ["balances", "Mailer"]),
        ("wait=5; handlers=balances", ["balances"]),
        ('wait=5; Handlers=""', []),
        ("wait=5; otherhandlers=x", None),
    ],
)
def test_prefer_names_the_handlers_to_wait_for(value: str, names: list[str] | None) -> None:
    assert headers.handlers(given(prefer=value)) == names


def test_other_content_is_refused() -> None:
    with pytest.raises(RequestError, match="expected application/json"):
        headers.require_json(given(content_type="text/xml"))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        ("{}", {}),
        ('{"tenant": "blue", "level": 3}', {"tenant": "blue", "level": 3}),
        ('{"name": "\\u00e9é"}', {"name": "éé"}),
    ],
)
def test_metadata_is_a_json_object(value: str | None, found: object) -> None:
    given = {} if value is None else {"X-Metadata": value}
    assert headers.metadata(given) == found


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        ("blue", "expected a JSON object"),
        ('{"a": NaN}', "expected a JSON object"),
        ('{"a": "\\ud800"}', "expected a JSON object"),
        ('{"a": "\udcff"}', "expected a JSON object"),
        ('{"a":' + "[" * 4000, "expected a JSON object"),
        ('{"$principal": "eve"}', "begin with '\\$'"),
        ('{"a": "%s"}' % ("a" * 4096), "longer than 4096"),
    ],
)
def test_other_metadata_is_refused(value: str, fault: str) -> None:
    with pytest.raises(RequestError, match=fault):
        headers.metadata({"X-Metadata": value})
