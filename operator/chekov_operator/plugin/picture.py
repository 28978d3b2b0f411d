"""What is known of a bundle, as one document made from its objects. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from chekov_operator.kube.kinds import PAUSED_ANNOTATION, REVISION_LABEL
from chekov_operator.kube.objects import (
    Object,
    annotation,
    condition_of,
    label,
    nested,
    nested_list,
)

_WORST: Final = ("stopped", "paused", "waiting", "absent", "catching-up", "live")


@dataclass(frozen=True, slots=True)
class Seen:
    """The objects of one bundle.

    Attributes:
        bundle: itself.
        store: its EventStore, if there is one.
        revisions: its BundleRevisions.
        pods: those that serve.
        subscriptions: its Subscriptions.
        unseen: sentences about what could not be read.
    """

    bundle: Object
    store: Object | None = None
    revisions: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    subscriptions: Sequence[Object] = ()
    unseen: Sequence[str] = ()


def document(seen: Seen) -> Object:
    """What a person or a program wants to know of a bundle."""
    bundle = seen.bundle
    known = {str(nested(item, "spec", "revision")) for item in seen.revisions}
    newest = sorted(
        seen.revisions, key=lambda item: int(nested(item, "spec", "number") or 0), reverse=True
    )
    return {
        "name": bundle["metadata"]["name"],
        "namespace": bundle["metadata"]["namespace"],
        "phase": nested(bundle, "status", "phase") or "Pending",
        "ready": nested(bundle, "status", "ready"),
        "revision": nested(bundle, "status", "revision"),
        "suspended": bool(nested(bundle, "spec", "suspend")),
        "paused": annotation(bundle, PAUSED_ANNOTATION) == "true",
        "store": _store(seen),
        "conditions": list(map(_condition, nested_list(bundle, "status", "conditions"))),
        "rollout": nested(bundle, "status", "rollout"),
        "changes": _changes(nested(bundle, "status", "changes") or {}),
        "revisions": [_revision(item, seen.pods) for item in newest],
        "pods": [_pod(pod) for pod in seen.pods if label(pod, REVISION_LABEL) not in known],
        "subscriptions": _subscriptions(seen),
        "unseen": list(seen.unseen),
    }


def _changes(given: Mapping[str, Sequence[str]]) -> Object:
    return {name: names for name, names in given.items() if names}


def _store(seen: Seen) -> Object:
    name = nested(seen.bundle, "spec", "eventStoreRef", "name")
    ready = condition_of(seen.store, "Ready")
    return {"name": name, "ready": ready.get("status"), "message": ready.get("message")}


def _condition(item: Object) -> Object:
    names = ("type", "status", "reason", "message", "lastTransitionTime")
    return {name: item.get(name) for name in names}


def _revision(body: Object, pods: Sequence[Object]) -> Object:
    name = str(nested(body, "spec", "revision"))
    return {
        "revision": name,
        "number": nested(body, "spec", "number"),
        "phase": nested(body, "status", "phase"),
        "ready": nested(body, "status", "ready"),
        "check": _result(nested(body, "status", "check")),
        "gate": _result(nested(body, "status", "gate")),
        "pods": [_pod(pod) for pod in pods if label(pod, REVISION_LABEL) == name],
    }


def _result(given: object) -> Object | None:
    """The result of a check or a gate, without the lists of what the domain has."""
    if given is None:
        return None
    names = ("reason", "message", "faults")
    compatibility = nested(given, "compatibility")
    ok = nested(given, "ok") if compatibility is None else compatibility == "Compatible"
    shown = {name: nested(given, name) for name in names if nested(given, name) is not None}
    findings = [str(item.get("sentence")) for item in nested_list(given, "findings")]
    return {"ok": bool(ok), **shown, **({"faults": findings} if findings else {})}


def _pod(body: Object) -> Object:
    containers = nested_list(body, "status", "containerStatuses")
    return {
        "name": body["metadata"]["name"],
        "revision": label(body, REVISION_LABEL),
        "ready": condition_of(body, "Ready").get("status") == "True",
        "state": _state_of_pod(body, containers),
        "node": nested(body, "spec", "nodeName"),
        "restarts": sum(int(item.get("restartCount") or 0) for item in containers),
    }


def _state_of_pod(body: Object, containers: Sequence[Object]) -> str:
    if nested(body, "metadata", "deletionTimestamp"):
        return "Terminating"
    for item in containers:
        reason = nested(item, "state", "waiting", "reason") or nested(
            item, "state", "terminated", "reason"
        )
        if reason:
            return str(reason)
    return str(nested(body, "status", "phase") or "Pending")


def _subscriptions(seen: Seen) -> list[Object]:
    if seen.subscriptions:
        return sorted(map(_subscription, seen.subscriptions), key=lambda item: str(item["name"]))
    rows = sorted(
        nested_list(seen.bundle, "status", "subscriptions"), key=lambda item: str(item["name"])
    )
    return [_of_partitions(name, list(items)) for name, items in groupby(rows, lambda i: i["name"])]


def _subscription(body: Object) -> Object:
    status: Any = nested(body, "status") or {}
    names = ("state", "position", "lag", "parked", "parkedKeys", "owners", "pausedBy", "error")
    return {
        "name": nested(body, "spec", "handler"),
        "kind": nested(body, "spec", "kind"),
        "version": nested(body, "spec", "version"),
        "suspended": bool(nested(body, "spec", "suspend")),
        **{name: status.get(name) for name in (*names, "rebuild") if status.get(name) is not None},
    }


def _of_partitions(name: str, rows: Sequence[Object]) -> Object:
    """One subscription out of its partitions in the status of a bundle."""
    states = {str(row.get("state")) for row in rows}
    owned = sum(1 for row in rows if row.get("owner"))
    return {
        "name": name,
        "kind": rows[0].get("kind"),
        "version": rows[0].get("version"),
        "state": next((state for state in _WORST if state in states), None),
        "position": min(int(row.get("position") or 0) for row in rows),
        "lag": max(int(row.get("lag") or 0) for row in rows),
        "parked": sum(int(row.get("parked") or 0) for row in rows),
        "owners": f"{owned}/{len(rows)}",
    }
