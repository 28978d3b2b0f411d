"""The chart gives the operator every right that its work takes, and no other."""

import pytest

from chekov_operator.children.workloads import CHECK
from chekov_operator.kube.client import Client
from chekov_operator.kube.definitions import check_installed
from chekov_operator.kube.events import Events, warnings_about
from chekov_operator.kube.kinds import (
    BUNDLE,
    CONFIG_MAP,
    REPLAY,
    SERVICE,
    SERVICE_ACCOUNT,
    WATCHED,
)
from chekov_operator.kube.lease import Lease
from chekov_operator.kube.referenced_objects import FOLLOWED
from chekov_operator.management import Health
from chekov_operator.metrics import Metrics
from chekov_operator.stores.dsn import Address
from chekov_operator.stores.service_ports import pod_ports
from tests.operator.fake_api import FakeApi, Request
from tests.operator.rendering import Manifest, of_kind, rendered
from tests.operator.samples import bundle_body, older_record, replay_body, store_body, target
from tests.operator.scene import BALANCES, FINE, MAIN, RETRY, Scene

pytestmark = pytest.mark.usefixtures("helm_built")

Right = tuple[str, str]
"""Verb, and resource with its group."""

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# What kopf asks for by itself when it serves all namespaces.
_SCANNED = ("customresourcedefinitions.apiextensions.k8s.io", "namespaces")
_OWNERS = {
    ("update", f"{kind}/finalizers.chekov.dev")
    for kind in ("eventstores", "domainbundles", "bundlerevisions")
}
_ENDED = "2026-11-24T10:00:00Z"


def rights_of(role: Manifest) -> set[Right]:
    return {
        (verb, f"{resource}.{group}".rstrip("."))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def given(*settings: str) -> set[Right]:
    """All that the operator may do."""
    manifests = rendered("chekov", "rbac.userRoles=false", *settings)
    roles = of_kind(manifests, "ClusterRole") + of_kind(manifests, "Role")
    return set[Right]().union(*map(rights_of, roles))


def needed(request: Request) -> set[Right]:
    """The rights that a request takes."""
    parts = request.path.strip("/").split("/")
    group = "" if parts[0] == "api" else parts[1]
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if not rest:
        return set()
    rest = rest[2:] if rest[0] == "namespaces" else rest
    resource = rest[0] + (f"/{rest[2]}" if len(rest) > 2 else "")
    reading = "get" if len(rest) > 1 else "list"
    rights = {(_VERBS.get(request.method, reading), f"{resource}.{group}".rstrip("."))}
    applied = request.headers["Content-Type"].startswith("application/apply-patch")
    if applied and "/" not in resource:
        rights.add(("create", f"{resource}.{group}".rstrip(".")))
    return rights


async def work(api: FakeApi, client: Client, metrics: Metrics) -> list[Request]:
    """Everything the operator ever does, once."""
    requests: list[Request] = []
    scene = Scene(api, client, metrics)
    api.put(CONFIG_MAP.path("shops", "settings"), {"data": {"mode": "live"}})
    api.put(SERVICE_ACCOUNT.path("shops", "account"), {})
    scene.databases.version = 0
    ports = [{"port": 5432, "targetPort": "postgres"}]
    api.put(SERVICE.path("shops", "postgres"), {"spec": {"ports": ports}})
    await pod_ports(client, [Address("postgres.shops.svc", 5432)])
    requests += api.requests
    scene.give(store_body())
    for scene.databases.version in (0, 1):
        await scene.reconcile(MAIN)
        requests += api.requests
    older = older_record(target(code={"image": "bank:0"}), FINE)
    api.put(CONFIG_MAP.path("shops", older["metadata"]["name"]), older)
    scene.give_bank()
    others: list[Manifest] = [
        {"serviceAccountName": "account", "entrypoint": f"bank:d{n}"} for n in range(4)
    ]
    for spec in [*_SPECS, *others]:
        scene.give(bundle_body(**spec))
        for _ in range(8):
            await scene.reconcile()
            requests += api.requests
            if scene.jobs(CHECK):
                # Too long for a termination message, so that the log is read.
                scene.end_check({**FINE, "events": [f"Event{number}" for number in range(500)]})
            else:
                scene.play()
    requests += await work_of_subscriptions(scene)
    requests += await _without_pods(scene)
    api.requests.clear()
    events = Events(client, "operator-1")
    for _ in range(2):
        await events.emit(scene.one(BUNDLE, "bank"), "Normal", "Serving", "2 of 2")
    await warnings_about(client, "shops", ["job-uid"])
    await check_installed(client, Health())
    lease = Lease(client, namespace="shops", name="lease", holder="one", seconds=15)
    for _ in range(2):
        await lease.acquire()
    await lease.release()
    return requests + api.requests


async def work_of_subscriptions(scene: Scene) -> list[Request]:
    """What Subscriptions and Replays take, and the end of both."""
    requests: list[Request] = []
    await scene.reconcile(BALANCES)
    requests += scene.api.requests
    replay = replay_body(retry={"all": True}, ttlSecondsAfterFinished=1)
    scene.give(replay)
    await scene.reconcile(RETRY)
    requests += scene.api.requests
    scene.one(REPLAY, "retry")["status"] = {"phase": "Failed", "finishedAt": _ENDED}
    await scene.reconcile(RETRY)
    requests += scene.api.requests
    scene.give(bundle_body(entrypoint="bank:without_balances"))
    await scene.begin_check()
    scene.end_check({**FINE, "subscriptions": []})
    for _ in range(8):
        await scene.reconcile()
        requests += scene.api.requests
        scene.play()
    return requests


async def _without_pods(scene: Scene) -> list[Request]:
    """What is done for a bundle without commands, which has no pod while it waits for nothing."""
    scaled = {"minReplicas": 0, "maxReplicas": 2, "targetLag": 10}
    scene.give(bundle_body(entrypoint="bank:watcher", replicas=1, autoscaling=scaled))
    await scene.begin_check()
    scene.end_check({**FINE, "commands": [], "handled": ["opened"]})
    while await scene.reconcile():
        scene.play()
    scene.databases.waiting = False
    await scene.reconcile()
    return list(scene.api.requests)


_VARIABLE: Manifest = {
    "name": "A",
    "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}},
}
_SPECS: list[Manifest] = [
    {"env": [_VARIABLE], "envFrom": [{"secretRef": {"name": "postgres"}}]},
    {"replicas": 1, "networkPolicy": {"enabled": False}, "autoscaling": {"maxReplicas": 2}},
    {"replicas": 1, "networkPolicy": {"enabled": False}},
]


def watched() -> set[Right]:
    """What watches, and their watch_check, ask for."""
    watched_kinds = (*WATCHED, *FOLLOWED)
    kinds = [f"{kind.plural}.{kind.api.rpartition('/')[0]}".rstrip(".") for kind in watched_kinds]
    return {(verb, kind) for kind in kinds for verb in ("list", "watch")}


_INSTALLED = pytest.mark.parametrize(
    "settings",
    [[], ["watchNamespaces={shops}"]],
    ids=["all namespaces", "some namespaces"],
)


@_INSTALLED
async def test_every_right_that_is_needed_is_given(
    api: FakeApi, client: Client, metrics: Metrics, settings: list[str]
) -> None:
    requests = await work(api, client, metrics)
    used = watched().union(*map(needed, requests))
    assert used - given(*settings) == set()


@_INSTALLED
async def test_no_right_is_given_that_is_not_needed(
    api: FakeApi, client: Client, metrics: Metrics, settings: list[str]
) -> None:
    requests = await work(api, client, metrics)
    used = _OWNERS | watched().union(*map(needed, requests))
    # Who may list may read each one.
    used |= {("get", kind) for verb, kind in used if verb == "list"}
    if not settings:
        used |= {(verb, kind) for kind in _SCANNED for verb in ("get", "list", "watch")}
    assert given(*settings) - used == set()
