"""A Replay's spec as a typed value."""

from datetime import UTC, datetime

import pytest

from chekov_operator.api.replay import Again, Chosen, Discard, Retry, parse_replay
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.kube.objects import Object
from tests.operator.named_fields import BAD_NAMES, REPLAY_FIELDS
from tests.operator.samples import replay_body


@pytest.mark.parametrize(
    ("spec", "work"),
    [
        ({"from": "origin"}, Again("origin", beside=True)),
        ({"from": "12", "mode": "InPlace"}, Again(12, beside=False)),
        (
            {"from": "2026-01-31T08:00:00Z", "mode": "Beside"},
            Again(datetime(2026, 1, 31, 8, tzinfo=UTC), beside=True),
        ),
        ({"retry": {"keys": ["a", "b"]}}, Retry(Chosen(keys=["a", "b"]))),
        ({"retry": {"fingerprint": "f"}}, Retry(Chosen(fingerprint="f"))),
        ({"discard": {"all": True, "reason": "x"}}, Discard(Chosen(), "x")),
    ],
)
def test_each_kind_of_work(spec: Object, work: object) -> None:
    replay = parse_replay(replay_body(**spec))
    assert (replay.subscription, replay.work, replay.ttl_seconds) == ("bank-balances", work, None)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "spec: set exactly one of from, retry and discard, not none"),
        ({"from": "1", "retry": {"all": True}}, "not from and retry"),
        ({"from": "now"}, "spec.from: must be origin, a position or a time with its zone"),
        ({"from": "2026-01-31T08:00:00"}, "spec.from: must be origin"),
        ({"from": "yesterday"}, "spec.from: must be origin"),
        (
            {"retry": {"keys": []}},
            "spec.retry: set exactly one of keys, fingerprint and all, not none",
        ),
        ({"retry": {"keys": ["a"], "all": True}}, "spec.retry: set exactly one of keys"),
        ({"discard": {"all": True, "reason": " "}}, "spec.discard.reason: expected why"),
    ],
)
def test_what_the_definition_refuses_is_refused_again(spec: Object, words: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_replay(replay_body(**spec))
    assert words in str(refused.value)


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("field", REPLAY_FIELDS)
def test_a_name_that_could_lead_elsewhere_is_refused(field: str, name: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_replay(replay_body(**{"from": "origin", **REPLAY_FIELDS[field](name)}))
    assert refused.value.path == field
