"""Objects of the bank on the fake API server, as the operator and the API server make them."""

from typing import Any

from chekov_operator.kube.objects import Object
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body, store_body

GROUP = "/apis/chekov.dev/v1alpha1/namespaces/shops"
BUNDLE = f"{GROUP}/domainbundles/bank"
STORE = f"{GROUP}/eventstores/main"
CORE = "/api/v1/namespaces/shops"
OLD, NEW = "0ld0ld0ld0", "1f2e3d4c5b"


def put_bundle(api: FakeApi, *, status: Object | None = None, **spec: Any) -> Object:
    """The bank and its store; the bundle's status is that of a complete rollout, or another."""
    api.put(STORE, {**store_body(), "status": {"conditions": [condition("Ready")]}})
    complete: Object = {"phase": "Ready", "ready": "2/2", "revision": NEW}
    conditions = {"conditions": [condition("Ready", reason="Serving", message="All pods serve.")]}
    return api.put(
        BUNDLE, {**bundle_body(**spec), "status": {**conditions, **(status or complete)}}
    )


def condition(
    kind: str, status: str = "True", *, reason: str = "AsExpected", message: str = ""
) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def put_revision(api: FakeApi, revision: str, number: int, **status: Any) -> Object:
    labels = {"chekov.dev/bundle": "bank", "chekov.dev/revision": revision}
    spec = {"bundle": "bank", "revision": revision, "number": number}
    return api.put(
        f"{GROUP}/bundlerevisions/bank-{revision}",
        {"kind": "BundleRevision", "metadata": {"labels": labels}, "spec": spec, "status": status},
    )


def put_pod(api: FakeApi, name: str, revision: str = NEW, *, ready: bool = True) -> Object:
    labels = {
        "app.kubernetes.io/managed-by": "chekov-operator",
        "app.kubernetes.io/component": "runtime",
        "chekov.dev/bundle": "bank",
        "chekov.dev/revision": revision,
    }
    waiting: Object = {"waiting": {"reason": "CrashLoopBackOff"}}
    state: Object = {"running": {}} if ready else waiting
    ports = [{"name": "management", "containerPort": 9090}]
    return api.put(
        f"{CORE}/pods/{name}",
        {
            "kind": "Pod",
            "metadata": {"labels": labels},
            "spec": {
                "nodeName": "node-1",
                "containers": [{"name": "runtime", "image": "chekov", "ports": ports}],
            },
            "status": {
                "phase": "Running",
                "conditions": [condition("Ready", "True" if ready else "False")],
                "containerStatuses": [
                    {"name": "runtime", "restartCount": 0 if ready else 7, "state": state}
                ],
            },
        },
    )


def put_subscription(api: FakeApi, handler: str, **status: Any) -> Object:
    name = f"bank-{handler}"
    spec = {
        "bundleRef": {"name": "bank"},
        "handler": handler,
        "kind": "projection",
        "version": 1,
        "suspend": False,
    }
    metadata = {"labels": {"chekov.dev/bundle": "bank"}}
    body = {"kind": "Subscription", "metadata": metadata, "spec": spec, "status": status}
    return api.put(f"{GROUP}/subscriptions/{name}", body)
