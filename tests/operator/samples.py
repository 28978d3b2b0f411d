"""A bank and its store as the API server gives them, and as the operator reads them."""

from typing import Any

from chekov_operator.api import Bundle, Store, parse_bundle, parse_store
from chekov_operator.resources import Object
from chekov_operator.revision import revision_of
from chekov_operator.workloads import Target

SOURCE = "domain = Domain('bank')"
RUNTIME_IMAGE = "registry.example/chekov:1"


def bundle_body(*, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    """A DomainBundle; what is given takes the place of a field of its spec."""
    return {
        "apiVersion": "chekov.dev/v1alpha1",
        "kind": "DomainBundle",
        "metadata": {
            "name": "bank",
            "namespace": "shops",
            "uid": "bundle-uid",
            "generation": 3,
            "annotations": annotations or {},
        },
        "spec": {
            "eventStoreRef": {"name": "main"},
            "code": {"inline": {"modules": {"bank.py": SOURCE}}},
            "entrypoint": "bank:domain",
            "replicas": 2,
            **spec,
        },
    }


def store_body(**spec: Any) -> Object:
    """An EventStore."""
    return {
        "apiVersion": "chekov.dev/v1alpha1",
        "kind": "EventStore",
        "metadata": {"name": "main", "namespace": "shops", "uid": "store-uid", "generation": 1},
        "spec": {"connection": {"secretRef": {"name": "postgres", "key": "dsn"}}, **spec},
    }


def bundle(**spec: Any) -> Bundle:
    """The bank as the operator reads it."""
    return parse_bundle(bundle_body(**spec))


def store(**spec: Any) -> Store:
    """Its store as the operator reads it."""
    return parse_store(store_body(**spec))


def target(**spec: Any) -> Target:
    """What the pods of the bank are made from."""
    wanted, kept = bundle(**spec), store()
    return Target(
        bundle=wanted,
        revision=revision_of(wanted, wanted.code.modules, kept.schema, RUNTIME_IMAGE),
        image=wanted.code.image or RUNTIME_IMAGE,
        modules=wanted.code.modules,
        store=kept,
        pull_policy=wanted.image_pull_policy,
    )
