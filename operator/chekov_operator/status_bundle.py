"""The part of a bundle's status that only tells what is there. Pure."""

from collections.abc import Mapping
from typing import Any

from chekov.store.port import SubscriptionRow

from chekov_operator.api import Bundle
from chekov_operator.observed import BundleObserved, parse_check
from chekov_operator.resources import BUNDLE_LABEL, REVISION_LABEL, Object
from chekov_operator.workloads import annotated_check


def summary(
    bundle: Bundle,
    seen: BundleObserved,
    live: Mapping[str, Any] | None,
    *,
    phase: str,
    check: Mapping[str, Any] | None = None,
) -> Object:
    """Replicas, what the domain holds, and how its subscriptions stand."""
    from_deployment: Mapping[str, Any] = (live or {}).get("status") or {}
    ready = int(from_deployment.get("readyReplicas") or 0)
    revision = ((live or {}).get("metadata") or {}).get("labels", {}).get(REVISION_LABEL)
    status: Object = {
        "phase": phase,
        "replicas": int(from_deployment.get("replicas") or 0),
        "readyReplicas": ready,
        "ready": f"{ready}/{bundle.replicas}",
    }
    if revision:
        status["revision"] = revision
        status["selector"] = f"{BUNDLE_LABEL}={bundle.meta.name},{REVISION_LABEL}={revision}"
    known = check or _parsed(annotated_check(live))
    for name in ("commands", "events"):
        if known.get(name):
            status[name] = sorted(known[name])
    if seen.subscriptions is not None:
        status |= _subscriptions(seen, known)
    return status


def _parsed(text: str | None) -> Mapping[str, Any]:
    return parse_check(text) or {}


def _subscriptions(seen: BundleObserved, check: Mapping[str, Any]) -> Object:
    versions = {
        item["name"]: (item.get("version", 1), item.get("kind", "handler"))
        for item in check.get("subscriptions") or ()
    }
    rows = [
        row
        for row in seen.subscriptions or ()
        if versions.get(row.key.name, (None, ""))[0] == row.key.version
    ]
    items = [_subscription(row, seen.head, versions[row.key.name][1]) for row in rows]
    return {
        "subscriptions": items,
        "lag": max((item["lag"] for item in items), default=0),
        "parked": sum(item["parked"] for item in items),
    }


def _subscription(row: SubscriptionRow, head: int, kind: str) -> Object:
    item: Object = {
        "name": row.key.name,
        "kind": kind,
        "version": row.key.version,
        "state": row.state,
        "position": row.position,
        "lag": max(0, head - row.position),
        "parked": row.parked,
    }
    if row.owner:
        item["owner"] = row.owner
    return item
