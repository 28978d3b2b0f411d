"""The part of a DomainBundle's status that is not conditions. Pure."""

from collections.abc import Mapping, Sequence

from chekov.store.port import SubscriptionRow
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children.workloads import RUNTIME
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import deployments
from chekov_operator.controllers.bundle.rollout import ready_pods
from chekov_operator.controllers.subscription_rows import WAITING, row_status, rows_of
from chekov_operator.kube.kinds import BUNDLE_LABEL, COMPONENT_LABEL, REVISION_LABEL
from chekov_operator.kube.objects import Object, nested, nested_list


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
    waiting = {item["name"] for item in items if item["state"] == WAITING}
    owned = {item["name"] for item in items} - waiting
    return all(item.get("name") in owned for item in nested_list(result, "subscriptions"))


def current_rows(observed: ObservedBundle, result: Object | None) -> list[SubscriptionRow]:
    """The subscriptions of the serving revision, without those that older ones left behind."""
    rows = observed.subscriptions or ()
    return [
        row
        for name, item in sorted(_declared(result).items())
        for row in rows_of(rows, name, int(item.get("version", 1)))
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
    return {
        "name": row.key.name,
        "kind": str(declared.get("kind") or "handler"),
        "version": row.key.version,
        **row_status(row, head),
    }
