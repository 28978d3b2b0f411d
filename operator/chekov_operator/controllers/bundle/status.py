"""The part of a DomainBundle's status that is not conditions. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from chekov.store.port import SubscriptionRow
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children.workloads import RUNTIME
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import deployments
from chekov_operator.controllers.bundle.rollout import ready_pods
from chekov_operator.kube.kinds import BUNDLE_LABEL, COMPONENT_LABEL, REVISION_LABEL
from chekov_operator.kube.objects import Object, nested, nested_list

_WAITING: Final = "waiting"
"""The state of a subscription that no pod owns."""


def bundle_status(
    bundle: Bundle,
    observed: ObservedBundle,
    revision: str | None,
    result: Object | None,
    *,
    phase: str,
) -> Object:
    """Replicas, the domain's commands and events, and its subscriptions.

    Args:
        bundle: the spec.
        observed: what there is.
        revision: the one that serves, or is rolled out.
        result: of its check.
        phase: the state in one word.
    """
    live = deployments(observed.children)
    ready = {name: ready_pods(body, observed.pods, name) for name, body in live.items()}
    shown = ready.get(revision or "", 0)
    status: Object = {
        "phase": phase,
        "replicas": sum(int(nested(body, "status", "replicas") or 0) for body in live.values()),
        "readyReplicas": shown,
        "ready": f"{shown}/{bundle.pods}",
    }
    if revision:
        serving = sorted(name for name, count in ready.items() if count) or [revision]
        status["revision"] = revision
        status["selector"] = _selector(bundle.meta.name, serving)
    for name in ("commands", "events"):
        found = nested(result, name)
        if found:
            status[name] = sorted(found)
    if observed.subscriptions is not None:
        status |= _subscriptions(observed, result)
    return status


def _selector(bundle: str, revisions: Sequence[str]) -> str:
    """The pods of the revisions that serve, of which `replicas` is the number.

    An autoscaler takes the average over them. With one revision's pods alone, a rollout that has
    just begun would look as if the bundle were far too large or too small.
    """
    pods = f"{BUNDLE_LABEL}={bundle},{COMPONENT_LABEL}={RUNTIME}"
    if len(revisions) == 1:
        return f"{pods},{REVISION_LABEL}={revisions[0]}"
    return f"{pods},{REVISION_LABEL} in ({','.join(revisions)})"


def is_settled(status: Object, result: Object | None) -> bool:
    """Whether the status has every subscription of the check's result, each owned by a pod."""
    items = nested_list(status, "subscriptions")
    waiting = {item["name"] for item in items if item["state"] == _WAITING}
    owned = {item["name"] for item in items} - waiting
    return all(item.get("name") in owned for item in nested_list(result, "subscriptions"))


def current_rows(observed: ObservedBundle, result: Object | None) -> list[SubscriptionRow]:
    """The subscriptions of the serving revision, without those that older ones left behind.

    Of a projection that is being rebuilt, it is the generation that serves.
    """
    declared = _declared(result)
    return [
        row
        for row in observed.subscriptions or ()
        if (item := declared.get(row.key.name))
        and item.get("version", 1) == row.key.version
        and not (row.building and row.key.generation > 1)
    ]


def _declared(result: Object | None) -> dict[str, Object]:
    return {str(item.get("name")): item for item in nested_list(result, "subscriptions")}


def _subscriptions(observed: ObservedBundle, result: Object | None) -> Object:
    current = _declared(result)
    rows = current_rows(observed, result)
    items = [_subscription(row, observed.head, current[row.key.name]) for row in rows]
    return {
        "subscriptions": items,
        "lag": max((int(item["lag"]) for item in items), default=0),
        "parked": sum(int(item["parked"]) for item in items),
    }


def _subscription(row: SubscriptionRow, head: int, declared: Mapping[str, object]) -> Object:
    item: Object = {
        "name": row.key.name,
        "partition": row.key.partition,
        "kind": str(declared.get("kind") or "handler"),
        "version": row.key.version,
        "state": _state(row, head),
        "position": row.position,
        "lag": max(0, head - row.position),
        "parked": row.parked,
    }
    if row.owner:
        # An owner is the pod's name, "/" and an identifier of its process.
        item["owner"] = row.owner.partition("/")[0]
    return item


def _state(row: SubscriptionRow, head: int) -> str:
    if row.state != "running":
        return row.state
    if row.owner is None:
        return _WAITING
    return "live" if row.position >= head else "catching-up"
