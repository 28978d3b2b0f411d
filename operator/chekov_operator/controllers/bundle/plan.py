"""The planner of DomainBundles: a pure function from what is wanted and observed to a plan."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chekov_operator.api.conditions import false, true
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children.pod_state import SLOW_SECONDS, last_became_ready
from chekov_operator.children.revision import Revision
from chekov_operator.children.subscriptions import subscriptions
from chekov_operator.children.workloads import service_account, supporting_objects
from chekov_operator.controllers.bundle.autoscaling import plan_autoscaling
from chekov_operator.controllers.bundle.changes import changes, in_words
from chekov_operator.controllers.bundle.check import Check, check_revision
from chekov_operator.controllers.bundle.cleanup import undeclared, unwanted
from chekov_operator.controllers.bundle.conditions import BundleState, conditions, phase
from chekov_operator.controllers.bundle.connections import connections_of
from chekov_operator.controllers.bundle.deployments import plan_deployments, pods_by_revision
from chekov_operator.controllers.bundle.gate import gate_revision
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.pod_counts import Limits, Pods
from chekov_operator.controllers.bundle.revision_status import revision_statuses
from chekov_operator.controllers.bundle.revisions import (
    deployments,
    known_result,
    stored_objects,
)
from chekov_operator.controllers.bundle.rollout import read_rollout
from chekov_operator.controllers.bundle.rollout_state import (
    RolloutState,
    held_share,
    share_of,
    to_status,
    wait_of,
)
from chekov_operator.controllers.bundle.rotation import cause_of_rollout, versions
from chekov_operator.controllers.bundle.status import bundle_status, current_rows, is_settled
from chekov_operator.controllers.bundle.target import (
    is_compared,
    origin_revision,
    state_of_rollout,
    store_fault,
    target_revision,
)
from chekov_operator.controllers.bundle.way_back import gate_backwards, with_answer
from chekov_operator.controllers.plan import Plan, paused_plan
from chekov_operator.kube.objects import Object, nested
from chekov_operator.settings import Settings
from chekov_operator.stores.dsn import servers

_SETTLING_SECONDS: Final = 30.0
"""After a pod became ready, the time in which it acquires its subscriptions."""


def plan_bundle(bundle: Bundle, observed: ObservedBundle, settings: Settings) -> Plan:
    if bundle.meta.paused:
        return paused_plan()
    check = check_revision(bundle, observed, settings)
    wanted = check.revision.name if check.revision else None
    gate = gate_revision(bundle, observed, check)
    rollout = read_rollout(
        deployments(observed.children),
        observed.pods,
        wanted or "",
        bundle.pods,
        observed.now,
        observed.warnings,
        observed.completed,
    )
    asked = state_of_rollout(bundle, observed, check, rollout, gated=gate.passed)
    old = origin_revision(bundle, observed, settings, asked) if asked else None
    backwards = gate_backwards(bundle, observed, asked, old)
    progress = with_answer(asked, backwards, observed.now)
    gates = [gate] if backwards is None else [gate, backwards]
    target = target_revision(bundle, observed, settings, check, progress, gated=gate.passed)
    shown = target.name if target else observed.running
    result = known_result(observed.children, shown)
    state = BundleState(
        bundle=bundle,
        subscriptions=current_rows(observed, result),
        check=check,
        gate=gate,
        store_fault=store_fault(bundle, observed),
        serving=shown,
        cause=_cause(observed, target),
        rollout=rollout,
        state=progress if progress and progress.to == wanted else None,
    )
    scaling = plan_autoscaling(
        bundle,
        observed,
        state.subscriptions,
        result=result,
        complete=target is not None and target.name == observed.completed,
    )
    status = {
        **bundle_status(bundle, observed, shown, result, phase=phase(state)),
        **_completed(state, progress, observed),
        **_rollout_status(bundle, progress, observed),
        **scaling.status,
    }
    found = _changes(check, observed, progress)
    if found:
        status["changes"] = found
    keeps_status = bool(observed.status) and not observed.is_store_read
    stored = stored_objects(observed.children, bundle.meta, check.revision)
    serving = _serving_objects(bundle, observed, check, target, progress, settings)
    origin = progress.origin if progress else None
    # No watch reports that a pod has waited for its containers for a while.
    slow = None if rollout.complete else SLOW_SECONDS
    pauses = [
        check.requeue_after or gate.requeue_after or slow,
        backwards.requeue_after if backwards else None,
        wait_of(progress, bundle, observed.now),
    ]
    return Plan(
        apply=[
            *stored,
            *check.apply,
            *(body for each in gates for body in each.apply),
            *serving,
            *(scaling.apply if target else ()),
            *subscriptions(bundle, result),
        ],
        delete=[
            *check.delete,
            *(named for each in gates for named in each.delete),
            *unwanted(bundle, observed, check, gates, target, origin, serving),
            *undeclared(bundle, observed, result, progress),
            *scaling.delete,
        ],
        status=status,
        child_statuses=revision_statuses(
            observed, check, gate, target.name if target else None, rollout
        ),
        # After a restart of the operator, what it said before holds until the store is read.
        conditions=() if keeps_status else conditions(state),
        keep_status=keeps_status,
        events=_events(status, observed.status),
        read_store_soon=(
            is_compared(bundle, progress)
            or _is_settling(observed, status, result)
            or (progress is not None and progress.awaited is not None)
            # By the time that its pods are made, it should be known how many connections are left.
            or (check.fault is None and gate.fault is None and state.pending is not None)
        ),
        is_partial=check.is_partial,
        is_interim=state.pending is not None and status.get("rollout") == observed.rollout,
        requeue_after=min((pause for pause in pauses if pause is not None), default=None),
        scale_to=scaling.scale_to,
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
    return replace(plan, status=status, conditions=list(said.values()), scale_to=None)


def _is_settling(observed: ObservedBundle, status: Object, result: Object | None) -> bool:
    """Whether pods that have just become ready are still acquiring their subscriptions."""
    since = observed.now - last_became_ready(observed.pods)
    return since < _SETTLING_SECONDS and not is_settled(status, result)


def _completed(
    state: BundleState, progress: RolloutState | None, observed: ObservedBundle
) -> Object:
    """The revision that was last rolled out completely.

    A rollout without pods does not count, since it does not show that the revision can serve.
    """
    if progress is not None and progress.state == "Returned":
        return {"completedRevision": progress.origin}
    gives_up = progress is not None and progress.gives_up
    if state.rollout.complete and state.bundle.pods and not gives_up:
        return {"completedRevision": state.revision}
    completed = observed.completed
    return {"completedRevision": completed} if completed else {}


def _serving_objects(
    bundle: Bundle,
    observed: ObservedBundle,
    check: Check,
    target: Revision | None,
    progress: RolloutState | None,
    settings: Settings,
) -> list[Object]:
    if target is None:
        return []
    account = [] if target.bundle.service_account else [service_account(target.bundle)]
    store: Object = nested(observed.store, "status") or {}
    databases = servers(str(store.get("host") or ""), store.get("podPorts") or ())
    limits = _limits(bundle, progress)
    if not (progress and progress.is_back) and bundle.promoted != target.name:
        limits = replace(limits, growth=_room(bundle, observed, target.name, progress))
    pods = plan_deployments(observed, check, target, limits, settings)
    return [*account, *supporting_objects(bundle, databases), *pods]


def _limits(bundle: Bundle, progress: RolloutState | None) -> Limits:
    pods, rollout = bundle.pods, bundle.rollout
    if progress is not None and progress.is_back:
        # What went wrong is over soonest if all pods of the good revision are made at once.
        return Limits(pods, surge=pods, unavailable=rollout.unavailable(pods), share=pods)
    surge, unavailable = rollout.surge(pods), rollout.unavailable(pods)
    if progress is not None and progress.is_held:
        share = held_share(progress, bundle)
        return Limits(pods, surge, unavailable, share, held=pods > 0)
    return Limits(pods, surge, unavailable, share_of(progress, bundle))


def _room(
    bundle: Bundle, observed: ObservedBundle, target: str, progress: RolloutState | None
) -> int | None:
    """For how many more pods the server has connections; `None` if that is not known."""
    # After a restart of the operator, the store is read in a moment.
    if not observed.is_store_read or (progress is not None and progress.awaited is not None):
        return 0
    pods = pods_by_revision(observed)
    is_taking_over = progress is not None and progress.origin is not None
    # A server without connections refuses the operator, too. The pods that there are need what it
    # has; without any, nothing would serve before the operator has found that the store is back.
    if is_taking_over and _has_pods(pods) and store_fault(bundle, observed) is not None:
        return 0
    known = connections_of(bundle, observed)
    return None if known is None else known.room(target, pods)


def _has_pods(pods: Mapping[str, Pods]) -> bool:
    return any(each.wanted for each in pods.values())


def _rollout_status(
    bundle: Bundle, progress: RolloutState | None, observed: ObservedBundle
) -> Object:
    if progress is None:
        return {}
    return {"rollout": to_status(progress, bundle, pods_by_revision(observed))}


def _changes(
    check: Check, observed: ObservedBundle, progress: RolloutState | None
) -> Mapping[str, list[str]]:
    """What the revision that the spec asks for changes, until it has been rolled out."""
    wanted = check.revision.name if check.revision else None
    origin = progress.origin if progress else None
    before = origin or observed.completed
    return (
        {} if before == wanted else changes(known_result(observed.children, before), check.output)
    )


def _events(status: Object, before: Mapping[str, object]) -> list[tuple[str, str]]:
    """What is new in the status, apart from conditions."""
    found: list[tuple[str, str]] = []
    changed = nested(status, "changes")
    if changed and changed != nested(before, "changes"):
        found.append(("ManifestChanged", f"the new revision has {in_words(changed)}"))
    step, last = nested(status, "rollout"), nested(before, "rollout")
    if step and step["state"] in ("Growing", "Waiting") and step["steps"] > 1:
        where = ("to", "step", "state")
        if any(nested(step, name) != nested(last, name) for name in where):
            message = (
                f"revision {step['to']}, step {step['step']} of {step['steps']}: "
                f"{step['share']} percent of the pods, {step['pods']} ready"
            )
            found.append(("RolloutStep", message))
    return found


def _cause(observed: ObservedBundle, target: Revision | None) -> str:
    """Why pods are being replaced, unless it is by a new revision."""
    if target is None:
        return ""
    live = deployments(observed.children).get(target.name)
    cause = cause_of_rollout(target.name, versions(target, observed, live), live)
    return "" if cause == f"revision {target.name}" else cause
