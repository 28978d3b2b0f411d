"""The part of a DomainBundle's status that is not conditions. Pure."""

from collections.abc import Mapping

from chekov.store.port import SubscriptionRow
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children.revision import Revision
from chekov_operator.children.workloads import RUNTIME
from chekov_operator.controllers.bundle.check_result import result_of
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import config_map_of
from chekov_operator.controllers.bundle.rollout import ready_pods
from chekov_operator.controllers.subscription_rows import WAITING, row_status, rows_of
from chekov_operator.kube.kinds import BUNDLE_LABEL, COMPONENT_LABEL, REVISION_LABEL
from chekov_operator.kube.objects import Object, label, nested, nested_list


def bundle_status(
    bundle: Bundle,
    observed: ObservedBundle,
    live: Object | None,
    serving: Revision | None,
    *,
    phase: str,
) -> Object:
    """Replicas, the domain's commands and events, and its subscriptions."""
    revision = _shown_revision(observed, live, serving)
    ready = ready_pods(live, observed.pods, revision or "")
    status: Object = {
        "phase": phase,
        "replicas": int(nested(live, "status", "replicas") or 0),
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
    result = shown_result(bundle, observed, live, serving)
    for name in ("commands", "events"):
        found = nested(result, name)
        if found:
            status[name] = sorted(found)
    if observed.subscriptions is not None:
        status |= _subscriptions(observed, result)
    return status


def shown_result(
    bundle: Bundle, observed: ObservedBundle, live: Object | None, serving: Revision | None
) -> Object | None:
    """The result of the check of the revision that serves, or served last."""
    revision = _shown_revision(observed, live, serving)
    return result_of(config_map_of(observed.children, bundle.meta.name, revision))


def _shown_revision(
    observed: ObservedBundle, live: Object | None, serving: Revision | None
) -> str | None:
    return serving.name if serving else label(live, REVISION_LABEL) or observed.running


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
