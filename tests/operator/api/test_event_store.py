"""Parsing an EventStore, and refusing what its definition should have refused."""

from typing import Any

import pytest

from chekov_operator.api.event_store import SecretKey, parse_store
from chekov_operator.api.spec import InvalidSpec
from tests.operator.named_fields import BAD_NAMES, STORE_FIELDS
from tests.operator.samples import store, store_body


def test_a_store_names_the_key_of_a_secret() -> None:
    found = store(schema="ledger", migrate="Manual")
    assert (found.secret, found.schema, found.migrate) == (
        SecretKey("postgres", "dsn"),
        "ledger",
        "Manual",
    )


def test_what_a_store_leaves_out_has_a_default() -> None:
    found = store(connection={"secretRef": {"name": "postgres"}})
    assert (found.secret.key, found.schema, found.migrate) == ("dsn", "chekov", "Auto")
    assert not found.pooled


def test_a_cluster_of_cloudnativepg_is_reached_as_its_application() -> None:
    found = store(connection={"cloudNativePG": {"cluster": "ledger"}})
    assert found.secret == SecretKey("ledger-app", "uri")


def test_a_pooler_is_declared() -> None:
    assert store(connection={"secretRef": {"name": "postgres"}, "pooled": True}).pooled


@pytest.mark.parametrize(
    ("connection", "path"),
    [
        ({}, "spec.connection"),
        (
            {"secretRef": {"name": "a"}, "cloudNativePG": {"cluster": "b"}},
            "spec.connection",
        ),
        ({"secretRef": {"key": "dsn"}}, "spec.connection.secretRef.name"),
        ({"cloudNativePG": {"cluster": ""}}, "spec.connection.cloudNativePG.cluster"),
        ({"cloudNativePG": {"cluster": "a"}, "pooled": True}, "spec.connection.pooled"),
    ],
)
def test_a_connection_that_leads_nowhere_is_refused(connection: Any, path: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_store(store_body(connection=connection))
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("field", STORE_FIELDS)
def test_a_store_that_names_what_is_not_in_its_namespace_is_refused(field: str) -> None:
    made = STORE_FIELDS[field]
    store(**made("shop-2"))
    for name in BAD_NAMES:
        with pytest.raises(InvalidSpec) as caught:
            store(**made(name))
        assert caught.value.path == field, name
