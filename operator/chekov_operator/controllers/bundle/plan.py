"""The planner of DomainBundles: a pure function from what is wanted and observed to a plan."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from chekov_operator.api.conditions import false, true
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import parse_store
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children import names
from chekov_operator.children.pod_state import SLOW_SECONDS, last_became_ready
from chekov_operator.children.revision import Revision
from chekov_operator.children.subscriptions import subscriptions
from chekov_operator.children.workloads import (
    RUNTIME,
    deployment,
    service_account,
    supporting_objects,
)
from chekov_operator.controllers.bundle.check import Check, check_revision
from chekov_operator.controllers.bundle.check_result import is_whole, result_of, with_result
from chekov_operator.controllers.bundle.conditions import BundleState, conditions, phase
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import (
    config_map_of,
    from_config_map,
    is_revision,
)
from chekov_operator.controllers.bundle.rollout import read_rollout
from chekov_operator.controllers.bundle.rotation import (
    cause_of_rollout,
    versions,
    with_versions,
)
from chekov_operator.controllers.bundle.status import (
    bundle_status,
    current_rows,
    is_settled,
    shown_result,
)
from chekov_operator.controllers.plan import Plan, paused_plan
from chekov_operator.kube.kinds import (
    COMPONENT_LABEL,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    NETWORK_POLICY,
    REVISION_LABEL,
    SERVICE_ACCOUNT,
    SUBSCRIPTION,
    Kind,
)
from chekov_operator.kube.objects import Object, condition_of, label, nested
from chekov_operator.settings import Settings
from chekov_operator.stores.dsn import servers

KEPT_REVISIONS: Final = 3
_SETTLING_SECONDS: Final = 30.0
"""After a pod became ready, the time in which it acquires its subscriptions."""


def plan_bundle(bundle: Bundle, observed: ObservedBundle, settings: Settings) -> Plan:
    if bundle.meta.paused:
        return paused_plan()
    check = check_revision(bundle, observed, settings)
    live = observed.children.get((DEPLOYMENT.name, bundle.meta.name))
    serving = _serving(bundle, observed, settings, check, live)
    shown = shown_result(bundle, observed, live, serving)
    state = BundleState(
        bundle=bundle,
        subscriptions=current_rows(observed, shown),
        check=check,
        store_fault=_store_fault(bundle, observed),
        serving=serving.name if serving else label(live, REVISION_LABEL),
        cause=_cause(observed, serving, live),
        rollout=read_rollout(
            live,
            observed.pods,
            check.revision.name if check.revision else "",
            bundle.replicas,
            observed.now,
            observed.warnings,
        ),
    )
    status = {
        **bundle_status(bundle, observed, live, serving, phase=phase(state)),
        **_completed(state, observed),
    }
    keeps_status = bool(observed.status) and not observed.is_store_read
    return Plan(
        apply=[
            *check.apply,
            *_serving_objects(bundle, observed, check, serving),
            *subscriptions(bundle, shown),
        ],
        delete=[
            *check.delete,
            *_unwanted(bundle, observed, check, serving),
            *_undeclared(bundle, observed, shown),
        ],
        status=status,
        # After a restart of the operator, what it said before holds until the store is read.
        conditions=() if keeps_status else conditions(state),
        keep_status=keeps_status,
        read_store_soon=_is_settling(bundle, observed, status),
        # No watch reports that a pod has waited for its containers for a while.
        requeue_after=check.requeue_after or (None if state.rollout.complete else SLOW_SECONDS),
    )


def with_invalid_spec(error: InvalidSpec, plan: Plan) -> Plan:
    """The plan of the last valid spec, which goes on running, with what is wrong with the spec."""
    if any(item.type == "Paused" for item in plan.conditions):
        return plan
    said = {item.type: item for item in plan.conditions}
    message = f"{error}. The last valid spec goes on running"
    said["Ready"] = false("Ready", "InvalidSpec", message)
    said["Degraded"] = true("Degraded", "InvalidSpec", message)
    said["Progressing"] = false("Progressing", "InvalidSpec", "waiting for a change")
    status = {**plan.status, "phase": "Refused"}
    return replace(plan, status=status, conditions=list(said.values()))


def _is_settling(bundle: Bundle, observed: ObservedBundle, status: Object) -> bool:
    """Whether pods that have just become ready are still acquiring their subscriptions."""
    stored = config_map_of(observed.children, bundle.meta.name, nested(status, "revision"))
    since = observed.now - last_became_ready(observed.pods)
    return since < _SETTLING_SECONDS and not is_settled(status, result_of(stored))


def _completed(state: BundleState, observed: ObservedBundle) -> Object:
    """The revision that was last rolled out completely.

    A rollout without pods does not count, since it does not show that the revision can serve.
    """
    if state.rollout.complete and state.bundle.replicas:
        return {"completedRevision": state.revision}
    completed = observed.completed
    return {"completedRevision": completed} if completed else {}


def _serving(
    bundle: Bundle,
    observed: ObservedBundle,
    settings: Settings,
    check: Check,
    live: Object | None,
) -> Revision | None:
    """The revision that should have pods: the wanted one if it may run, or else the last one."""
    wanted = check.revision
    if wanted is not None and check.result is not None:
        runs_already = label(live, REVISION_LABEL) == wanted.name
        if runs_already or _store_fault(bundle, observed) is None:
            return wanted
    stored = config_map_of(observed.children, bundle.meta.name, observed.running)
    if stored is None or not nested(result_of(stored), "ok"):
        return None
    try:
        store = parse_store(observed.store or {})
    except InvalidSpec:
        return None
    return from_config_map(stored, bundle, store, settings.runtime_pull_policy)


def _serving_objects(
    bundle: Bundle, observed: ObservedBundle, check: Check, serving: Revision | None
) -> list[Object]:
    if serving is None:
        return []
    account = [] if serving.bundle.service_account else [service_account(serving.bundle)]
    result = check.result if serving is check.revision else None
    if result is None:
        result = result_of(config_map_of(observed.children, bundle.meta.name, serving.name))
    store: Object = nested(observed.store, "status") or {}
    databases = servers(str(store.get("host") or ""), store.get("podPorts") or ())
    # The Deployment holds the result too, so that it survives the deletion of the ConfigMap.
    pods = with_result(deployment(serving), result or {})
    live = observed.children.get((DEPLOYMENT.name, bundle.meta.name))
    found = versions(serving, observed, live)
    pods = with_versions(pods, found, cause_of_rollout(serving.name, found, live))
    return [*account, *supporting_objects(bundle, databases), pods]


def _cause(observed: ObservedBundle, serving: Revision | None, live: Object | None) -> str:
    """Why pods are being replaced, unless it is by a new revision."""
    if serving is None:
        return ""
    cause = cause_of_rollout(serving.name, versions(serving, observed, live), live)
    return "" if cause == f"revision {serving.name}" else cause


def _store_fault(bundle: Bundle, observed: ObservedBundle) -> str | None:
    """Why the store cannot be used, if so."""
    ready = condition_of(observed.store, "Ready")
    if ready.get("status") == "True":
        return None
    why = ready.get("message") or "the operator has not checked it yet"
    return f"EventStore {bundle.store!r} is not ready: {why}"


def _unwanted(
    bundle: Bundle, observed: ObservedBundle, check: Check, serving: Revision | None
) -> Iterable[tuple[Kind, str]]:
    """Finished checks, old revisions, and children that the spec no longer asks for."""
    wanted = check.revision.name if check.revision else None
    needed_job = names.check(bundle.meta.name, wanted) if wanted and not check.result else None
    for kind, name in observed.children:
        if kind == JOB.name and wanted and name != needed_job:
            yield JOB, name
    policy = names.check_policy(bundle.meta.name)
    if not bundle.network_policy and (NETWORK_POLICY.name, policy) in observed.children:
        yield NETWORK_POLICY, policy
    if serving is None:
        return
    # A pod that restarts mounts the ConfigMap of its revision, and a rollback needs that of the
    # last complete rollout.
    needed = {wanted, serving.name, observed.completed}
    needed |= {
        label(pod, REVISION_LABEL)
        for pod in observed.pods
        if label(pod, COMPONENT_LABEL) == RUNTIME
    }
    yield from _old_revisions(observed, needed)
    unwanted = {
        DISRUPTION_BUDGET: bundle.replicas <= 1,
        NETWORK_POLICY: not bundle.network_policy,
        SERVICE_ACCOUNT: bool(bundle.service_account and serving.bundle.service_account),
    }
    for kind, is_unwanted in unwanted.items():
        if is_unwanted and (kind.name, bundle.meta.name) in observed.children:
            yield kind, bundle.meta.name


def _undeclared(
    bundle: Bundle, observed: ObservedBundle, result: Object | None
) -> Iterable[tuple[Kind, str]]:
    """The Subscriptions of handlers that the serving revision does not have any more."""
    if not is_whole(result):
        return
    declared = {item["metadata"]["name"] for item in subscriptions(bundle, result)}
    for kind, name in observed.children:
        if kind == SUBSCRIPTION.name and name not in declared:
            yield SUBSCRIPTION, name


def _old_revisions(observed: ObservedBundle, needed: set[str | None]) -> Iterable[tuple[Kind, str]]:
    """The oldest of the revisions that are not needed, as far as more than enough are stored."""
    stored = [
        body
        for (kind, _), body in observed.children.items()
        if kind == CONFIG_MAP.name and is_revision(body)
    ]
    spare = [body for body in stored if label(body, REVISION_LABEL) not in needed]
    spare.sort(key=lambda body: str(nested(body, "metadata", "creationTimestamp")), reverse=True)
    for body in spare[max(0, KEPT_REVISIONS - (len(stored) - len(spare))) :]:
        yield CONFIG_MAP, str(body["metadata"]["name"])
