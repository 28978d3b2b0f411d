"""The metadata that all kinds share."""

from chekov_operator.api.domain_bundle import parse_bundle
from tests.operator.samples import bundle_body


def test_metadata_is_read() -> None:
    meta = parse_bundle(bundle_body(annotations={"chekov.dev/paused": "true"})).meta
    assert (meta.namespace, meta.name, meta.uid, meta.generation) == (
        "shops",
        "bank",
        "bundle-uid",
        3,
    )
    assert (meta.paused, meta.deleting) == (True, False)


def test_only_true_pauses() -> None:
    assert not parse_bundle(bundle_body(annotations={"chekov.dev/paused": "false"})).meta.paused


def test_an_object_that_is_being_deleted_is_known() -> None:
    body = bundle_body()
    body["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    assert parse_bundle(body).meta.deleting
