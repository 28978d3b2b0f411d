"""A bank and its store as the API server gives them, and as the operator reads them."""

import json
from typing import Any

from chekov_operator.api.domain_bundle import Bundle, parse_bundle
from chekov_operator.api.event_store import Store, parse_store
from chekov_operator.children.revision import Revision, revision_name
from chekov_operator.controllers.bundle.revisions import stored_objects, to_record
from chekov_operator.kube.objects import Children, Object

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
        spec=bundle_body(**spec)["spec"],
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
            "ownerReferences": [{"uid": "bundle-uid", "controller": True}],
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


def stored(revision: Revision, result: Object | None = None, number: int = 1) -> Object:
    """The BundleRevision of a revision, with the result of its check."""
    body = to_record(revision, number)
    body["metadata"]["uid"] = f"uid-of-{revision.name}"
    return {**body, "status": {} if result is None else {"check": result}}


def code_of(revision: Revision) -> Object:
    """The ConfigMap with the code of a stored revision."""
    children = by_name(stored(revision))
    found = stored_objects(children, revision.bundle.meta, revision)
    return next(body for body in found if body["kind"] == "ConfigMap")


def older_record(revision: Revision, result: Object | None = None) -> Object:
    """The ConfigMap by which an older operator stored a revision."""
    spec = dict(revision.spec)
    if revision.modules is not None:
        spec["code"] = {"inline": {"modules": {}}}
    annotations = {"chekov.dev/spec": json.dumps(spec), "chekov.dev/image": revision.image}
    if result is not None:
        annotations["chekov.dev/result"] = json.dumps(result)
    record = to_record(revision, 1)
    metadata = {**record["metadata"], "annotations": annotations}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "data": dict(revision.modules or {}),
    }


def by_name(*bodies: Object) -> Children:
    """Objects by kind and name."""
    return {(body["kind"], body["metadata"]["name"]): body for body in bodies}
