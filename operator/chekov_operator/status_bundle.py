"""The part of a bundle's status that only tells what is there. Pure."""

from collections.abc import Mapping
from typing import Final

from chekov.store.port import SubscriptionRow
from chekov_operator.api import Bundle
from chekov_operator.observed import BundleObserved
from chekov_operator.record import record_of, result_of
from chekov_operator.resources import (
    BUNDLE_LABEL,
    COMPONENT_LABEL,
    REVISION_LABEL,
    Object,
    dig,
    label,
    objects,
)
from chekov_operator.workloads import RUNTIME, Target

_WAITING: Final = "waiting"
"""The state of a subscription that no pod has taken."""


def summary(
    bundle: Bundle,
    seen: BundleObserved,
    live: Object | None,
    serving: Target | None,
    *,
    phase: str,
) -> Object:
    """Replicas, what the domain holds, and how its subscriptions stand."""
    ready = int(dig(live, "status", "readyReplicas") or 0)
    revision = serving.revision if serving else label(live, REVISION_LABEL) or seen.running
    status: Object = {
        "phase": phase,
        "replicas": int(dig(live, "status", "replicas") or 0),
        "readyReplicas": ready,
        "ready": f"{ready}/{bundle.replicas}",
    }
    if revision:
        selector = {
            BUNDLE_LABEL: bundle.meta.name,
            COMPONENT_LABEL: RUNTIME,
            REVISION_LABEL: revision,
        }
        status["revision"] = revision
        status["selector"] = ",".join(f"{name}={value}" for name, value in selector.items())
    known = result_of(record_of(seen.children, bundle.meta.name, revision))
    for name in ("commands", "events"):
        found = dig(known, name)
        if found:
            status[name] = sorted(found)
    if seen.subscriptions is not None:
        status |= _subscriptions(seen, known)
    return status


def is_settled(status: Object, known: Object | None) -> bool:
    """Whether each subscription that the check found is told of, and somebody is at it."""
    told = {item["name"]: item["state"] for item in objects(status, "subscriptions")}
    names = [str(item.get("name")) for item in objects(known, "subscriptions")]
    return all(told.get(name, _WAITING) != _WAITING for name in names)


def _subscriptions(seen: BundleObserved, known: Object | None) -> Object:
    """Those of the revision that serves; what older ones left in the store is not told."""
    current = {str(item.get("name")): item for item in objects(known, "subscriptions")}
    rows = [
        row
        for row in seen.subscriptions or ()
        if (item := current.get(row.key.name)) and item.get("version", 1) == row.key.version
    ]
    items = [_subscription(row, seen.head, current[row.key.name]) for row in rows]
    return {
        "subscriptions": items,
        "lag": max((int(item["lag"]) for item in items), default=0),
        "parked": sum(int(item["parked"]) for item in items),
    }


def _subscription(row: SubscriptionRow, head: int, known: Mapping[str, object]) -> Object:
    item: Object = {
        "name": row.key.name,
        "kind": str(known.get("kind") or "handler"),
        "version": row.key.version,
        "state": _state(row, head),
        "position": row.position,
        "lag": max(0, head - row.position),
        "parked": row.parked,
    }
    if row.owner:
        # What follows the pod's name tells its processes apart.
        item["owner"] = row.owner.partition("/")[0]
    return item


def _state(row: SubscriptionRow, head: int) -> str:
    if row.state != "running":
        return row.state
    if row.owner is None:
        return _WAITING
    return "live" if row.position >= head else "catching-up"
