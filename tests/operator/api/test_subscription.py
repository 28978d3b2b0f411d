"""A Subscription's spec as a typed value."""

import pytest

from chekov_operator.api.spec import InvalidSpec
from chekov_operator.api.subscription import parse_subscription
from tests.operator.named_fields import BAD_NAMES, SUBSCRIPTION_FIELDS
from tests.operator.samples import subscription_body


def test_every_field_is_read() -> None:
    found = parse_subscription(subscription_body(version=3, suspend=True, resumeNonce="2"))
    assert (found.bundle, found.store, found.domain) == ("bank", "main", "bank")
    assert (found.handler, found.kind, found.version) == ("balances", "projection", 3)
    assert (found.suspend, found.resume_nonce) == (True, "2")
    assert found.actor == "Subscription shops/bank-balances (DomainBundle bundle-uid)"


def test_objects_of_one_name_in_two_clusters_are_two_actors() -> None:
    other = subscription_body()
    other["metadata"]["ownerReferences"] = [{"uid": "another", "controller": True}]
    assert parse_subscription(other).actor != parse_subscription(subscription_body()).actor
    del other["metadata"]["ownerReferences"]
    assert "subscription-uid" in parse_subscription(other).actor


@pytest.mark.parametrize("field", ["domain", "handler", "kind"])
def test_what_the_operator_writes_is_needed(field: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_subscription(subscription_body(**{field: ""}))
    assert refused.value.path == f"spec.{field}"


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("field", SUBSCRIPTION_FIELDS)
def test_a_name_that_could_lead_elsewhere_is_refused(field: str, name: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_subscription(subscription_body(**SUBSCRIPTION_FIELDS[field](name)))
    assert refused.value.path == field
