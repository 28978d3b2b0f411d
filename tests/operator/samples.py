"""A bank and its store as the API server gives them, and as the operator reads them."""

from typing import Any

from chekov_operator.api.domain_bundle import Bundle, parse_bundle
from chekov_operator.api.event_store import Store, parse_store
from chekov_operator.children.revision import Revision, revision_name
from chekov_operator.kube.objects import Object

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


def target(**spec: Any) -> Revision:
    """What the pods of the bank are made from."""
    wanted, kept = bundle(**spec), store()
    return Revision(
        bundle=wanted,
        name=revision_name(wanted, wanted.code.modules, kept.schema, RUNTIME_IMAGE),
        image=wanted.code.image or RUNTIME_IMAGE,
        modules=wanted.code.modules,
        store=kept,
        pull_policy=wanted.image_pull_policy,
    )


def subscription_body(**spec: Any) -> Object:
    """The Subscription of the bank's projection, as the operator makes it."""
    return {
        "apiVersion": "chekov.dev/v1alpha1",
        "kind": "Subscription",
        "metadata": {
            "name": "bank-balances",
            "namespace": "shops",
            "uid": "subscription-uid",
            "generation": 2,
        },
        "spec": {
            "bundleRef": {"name": "bank"},
            "eventStoreRef": {"name": "main"},
            "domain": "bank",
            "handler": "balances",
            "kind": "projection",
            "version": 1,
            **spec,
        },
    }


def replay_body(name: str = "retry", **spec: Any) -> Object:
    """A Replay of that subscription."""
    return {
        "apiVersion": "chekov.dev/v1alpha1",
        "kind": "Replay",
        "metadata": {"name": name, "namespace": "shops", "uid": f"{name}-uid", "generation": 1},
        "spec": {"subscriptionRef": {"name": "bank-balances"}, **spec},
    }
