"""The planner for DomainBundles: from what is wanted and what is, to what is to be done. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chekov_operator.api import Bundle, parse_store
from chekov_operator.conditions import Condition, false, true, unknown
from chekov_operator.observed import (
    BundleObserved,
    Fault,
    JobOutcome,
    cannot_start,
    job_outcome,
    parse_check,
)
from chekov_operator.plan import RETRY_SECONDS, Plan, paused
from chekov_operator.resources import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    KINDS,
    NETWORK_POLICY,
    REVISION_LABEL,
    SERVICE_ACCOUNT,
    Kind,
    Object,
)
from chekov_operator.revision import revision_of
from chekov_operator.settings import Settings
from chekov_operator.status_bundle import summary
from chekov_operator.workloads import (
    Target,
    annotated_check,
    check_job,
    children,
    prerequisites,
)

KEPT_REVISIONS = 3


def plan_bundle(bundle: Bundle, seen: BundleObserved, settings: Settings) -> Plan:
    """What a DomainBundle needs."""
    if bundle.meta.paused:
        return Plan(conditions=paused())
    live = seen.children.get((DEPLOYMENT.name, bundle.meta.name))
    blocked = _blocked(bundle, seen, settings)
    if blocked is not None:
        checked = unknown("Checked", blocked.reason, "it could not be checked")
        return _refused(bundle, seen, live, blocked, checked)
    target = _target(bundle, seen, settings)
    answer = annotated_check(live) if revision_of_object(live) == target.revision else None
    if answer is None:
        job = seen.children.get((JOB.name, target.check))
        outcome = None if job is None else job_outcome(job, seen.pods)
        if outcome is None or not outcome.finished:
            return _checking(bundle, seen, live, target, outcome)
        fault = _check_fault(outcome)
        if fault is not None:
            return _check_failed(bundle, seen, live, target, fault)
        answer = outcome.message
    return _rolled_out(bundle, seen, live, target, answer)


def revision_of_object(body: Mapping[str, Any] | None) -> str | None:
    """The revision that an object belongs to."""
    meta: Mapping[str, Any] = (body or {}).get("metadata") or {}
    return (meta.get("labels") or {}).get(REVISION_LABEL)


def _blocked(bundle: Bundle, seen: BundleObserved, settings: Settings) -> Fault | None:
    """What stands in the way before the code is looked at."""
    if bundle.code.image is None and not settings.allow_inline:
        return Fault(
            "InlineForbidden",
            "spec.code: this operator takes code in images only; build one and name it in "
            "spec.code.image",
        )
    if seen.store is None:
        return Fault(
            "EventStoreNotFound",
            f"spec.eventStoreRef.name: there is no EventStore {bundle.store!r} in the namespace "
            f"{bundle.meta.namespace!r}; create it, or name another",
        )
    if seen.missing:
        return Fault(seen.missing[0].reason, "; ".join(item.message for item in seen.missing))
    ready = _condition(seen.store, "Ready")
    if ready is None or ready.get("status") != "True":
        why = (ready or {}).get("message") or "it was not looked at yet"
        return Fault("EventStoreNotReady", f"EventStore {bundle.store!r} is not ready: {why}")
    return None


def _target(bundle: Bundle, seen: BundleObserved, settings: Settings) -> Target:
    store = parse_store(seen.store or {})
    return Target(
        bundle=bundle,
        revision=revision_of(bundle, seen.modules, store.schema, settings),
        modules=seen.modules,
        secret=store.secret,
        schema=store.schema,
        database=seen.database,
        settings=settings,
    )


def _check_fault(outcome: JobOutcome) -> Fault | None:
    answer = parse_check(outcome.message)
    if answer is None:
        if outcome.succeeded:
            return Fault("CheckCannotRun", "the check said nothing: is `chekov` in the image?")
        return Fault("CheckCannotRun", f"the check did not run: {outcome.message}")
    if answer["ok"]:
        return None
    faults = [f"- {fault}" for fault in answer.get("faults") or ()]
    message = str(answer.get("message") or "the domain is not usable")
    return Fault(str(answer.get("reason") or "InvalidDomain"), "\n".join([message, *faults]))


def _checking(
    bundle: Bundle,
    seen: BundleObserved,
    live: Object | None,
    target: Target,
    outcome: JobOutcome | None,
) -> Plan:
    apply = [*prerequisites(target), check_job(target)]
    stuck = None if outcome is None else outcome.stuck
    if stuck is not None:
        fault = Fault("CheckCannotRun", f"the check of the new code cannot run: {stuck.message}")
        checked = unknown("Checked", stuck.reason, stuck.message)
        return _refused(bundle, seen, live, fault, checked, apply=apply)
    fault = Fault("Checking", f"revision {target.revision} is being checked")
    return Plan(
        apply=apply,
        status=summary(bundle, seen, live, phase="Checking"),
        conditions=[
            false("Ready", fault.reason, fault.message),
            true("Progressing", fault.reason, fault.message),
            unknown("Checked", fault.reason, fault.message),
            _degraded(seen, live, None),
        ],
    )


def _check_failed(
    bundle: Bundle, seen: BundleObserved, live: Object | None, target: Target, fault: Fault
) -> Plan:
    if fault.reason == "CheckCannotRun":
        # Not the code's fault as far as one can tell: clear the way for another try.
        delete = [(JOB, target.check)]
        checked = unknown("Checked", fault.reason, fault.message)
        return _refused(bundle, seen, live, fault, checked, delete=delete, again=RETRY_SECONDS)
    checked = false("Checked", fault.reason, fault.message)
    return _refused(bundle, seen, live, fault, checked, apply=[*prerequisites(target)])


def _refused(
    bundle: Bundle,
    seen: BundleObserved,
    live: Object | None,
    fault: Fault,
    checked: Condition,
    *,
    apply: Sequence[Object] = (),
    delete: Sequence[tuple[Kind, str]] = (),
    again: float | None = None,
) -> Plan:
    """Nothing that runs is touched; the conditions say what to change."""
    message = fault.message
    running = revision_of_object(live)
    if running:
        message = f"{message}\nRevision {running} goes on serving."
    return Plan(
        apply=apply,
        delete=delete,
        status=summary(bundle, seen, live, phase="Refused"),
        conditions=[
            false("Ready", fault.reason, message),
            false("Progressing", fault.reason, "it waits for a change"),
            true("Degraded", fault.reason, message),
            checked,
        ],
        again=again or RETRY_SECONDS,
    )


def _rolled_out(
    bundle: Bundle, seen: BundleObserved, live: Object | None, target: Target, answer: str
) -> Plan:
    check = parse_check(answer) or {}
    passed = true("Checked", "Passed", f"revision {target.revision} can be loaded")
    stuck = _stuck(seen, target)
    done = live is not None and _is_rolled_out(live, target)
    if done:
        ready = live or {}
        count = (ready.get("status") or {}).get("readyReplicas") or 0
        message = f"revision {target.revision} serves with {count} of {bundle.replicas} pods"
        conditions = [
            true("Ready", "Serving", message),
            false("Progressing", "Complete", message),
            _degraded(seen, live, stuck),
            passed,
        ]
    else:
        fault = stuck or Fault("RollingOut", f"revision {target.revision} is rolling out")
        conditions = [
            false("Ready", fault.reason, fault.message),
            true("Progressing", "RollingOut", f"revision {target.revision} is rolling out"),
            _degraded(seen, live, stuck),
            passed,
        ]
    return Plan(
        apply=children(target, answer),
        delete=list(_unwanted(bundle, seen, target)) if done else (),
        status={
            **summary(bundle, seen, live, phase="Ready" if done else "RollingOut", check=check),
            "revision": target.revision,
        },
        conditions=conditions,
        again=target.settings.refresh_seconds,
    )


def _is_rolled_out(live: Mapping[str, Any], target: Target) -> bool:
    status: Mapping[str, Any] = live.get("status") or {}
    replicas = target.bundle.replicas
    return (
        revision_of_object(live) == target.revision
        and status.get("observedGeneration") == live["metadata"].get("generation")
        and live["spec"].get("replicas") == replicas
        and (status.get("updatedReplicas") or 0) == replicas
        and (status.get("readyReplicas") or 0) >= replicas
        and (status.get("replicas") or 0) == replicas
    )


def _stuck(seen: BundleObserved, target: Target) -> Fault | None:
    current = [pod for pod in seen.pods if revision_of_object(pod) == target.revision]
    return next((fault for pod in current if (fault := cannot_start(pod))), None)


def _degraded(seen: BundleObserved, live: Object | None, stuck: Fault | None) -> Condition:
    if stuck is not None:
        return true("Degraded", stuck.reason, stuck.message)
    rows = seen.subscriptions or ()
    stopped = [row for row in rows if row.state == "stopped"]
    if stopped:
        names = "; ".join(f"{row.key.name}: {row.error}" for row in stopped)
        return true("Degraded", "SubscriptionStopped", f"stopped subscriptions: {names}")
    parked = sum(row.parked for row in rows)
    if parked:
        names = ", ".join(row.key.name for row in rows if row.parked)
        return true("Degraded", "EventsParked", f"{parked} events are set aside by {names}")
    del live
    return false("Degraded", "AsExpected")


def _unwanted(bundle: Bundle, seen: BundleObserved, target: Target) -> Iterable[tuple[Kind, str]]:
    """Children of finished work, of old revisions, and of what the spec no longer asks for."""
    maps = [
        body for (kind, _), body in seen.children.items()
        if kind == CONFIG_MAP.name and revision_of_object(body) != target.revision
    ]  # fmt: skip
    maps.sort(key=lambda body: str(body["metadata"].get("creationTimestamp")), reverse=True)
    for body in maps[KEPT_REVISIONS - 1 :]:
        yield CONFIG_MAP, body["metadata"]["name"]
    not_wanted = {
        (DISRUPTION_BUDGET.name, bundle.meta.name): bundle.replicas <= 1,
        (NETWORK_POLICY.name, bundle.meta.name): not bundle.network_policy,
        (SERVICE_ACCOUNT.name, bundle.meta.name): bundle.service_account is not None,
    }
    for kind, name in seen.children:
        if kind == JOB.name or not_wanted.get((kind, name)):
            yield KINDS[kind], name


def _condition(body: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    found: Sequence[Object] = (body.get("status") or {}).get("conditions") or ()
    return next((item for item in found if item["type"] == kind), None)
