"""The planner for DomainBundles: from what is wanted and what is, to what is to be done. Pure."""

from collections.abc import Iterable
from typing import Final

from chekov_operator import names
from chekov_operator.api import Bundle, InvalidSpec, parse_store
from chekov_operator.bundle_conditions import Situation, conditions, phase
from chekov_operator.dsn import addresses_in
from chekov_operator.observed import BundleObserved, newest_ready
from chekov_operator.plan import Plan, paused
from chekov_operator.record import is_record, record_of, recorded, result_of, with_result
from chekov_operator.resources import (
    COMPONENT_LABEL,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    NETWORK_POLICY,
    REVISION_LABEL,
    SERVICE_ACCOUNT,
    Kind,
    Object,
    condition,
    dig,
    label,
)
from chekov_operator.rollout import rollout_of
from chekov_operator.settings import Settings
from chekov_operator.status_bundle import is_settled, summary
from chekov_operator.verdict import Verdict, judge
from chekov_operator.workloads import RUNTIME, Target, deployment, service_account, surroundings

KEPT_REVISIONS: Final = 3
_SETTLING_SECONDS: Final = 30.0
"""After a pod became ready, in which it takes its subscriptions."""
_SOON_SECONDS: Final = 1.0


def plan_bundle(bundle: Bundle, seen: BundleObserved, settings: Settings) -> Plan:
    """What a DomainBundle needs."""
    if bundle.meta.paused:
        return paused()
    verdict = judge(bundle, seen, settings)
    live = seen.children.get((DEPLOYMENT.name, bundle.meta.name))
    serving = _serving(bundle, seen, settings, verdict, live)
    wanted = verdict.target.revision if verdict.target else ""
    rollout = rollout_of(live, seen.pods, wanted, bundle.replicas)
    situation = Situation(
        bundle=bundle,
        seen=seen,
        verdict=verdict,
        store_fault=_store_fault(bundle, seen),
        serving=serving.revision if serving else label(live, REVISION_LABEL),
        rollout=rollout,
    )
    status = summary(bundle, seen, live, serving, phase=phase(situation))
    # A revision without pods has not shown that it can serve.
    completed = wanted if rollout.complete and bundle.replicas else seen.completed
    if completed:
        status["completedRevision"] = completed
    return Plan(
        apply=[*verdict.apply, *_running(bundle, seen, verdict, serving)],
        delete=[*verdict.delete, *_unwanted(bundle, seen, verdict, serving)],
        status=status,
        conditions=conditions(situation),
        again=verdict.again or _next_look(bundle, seen, status, settings),
    )


def _next_look(bundle: Bundle, seen: BundleObserved, status: Object, settings: Settings) -> float:
    """Seconds until the store is asked again, which tells of no changes by itself."""
    known = result_of(record_of(seen.children, bundle.meta.name, dig(status, "revision")))
    settling = seen.now - newest_ready(seen.pods) < _SETTLING_SECONDS
    if settling and not is_settled(status, known):
        return min(_SOON_SECONDS, settings.refresh_seconds)
    return settings.refresh_seconds


def _serving(
    bundle: Bundle,
    seen: BundleObserved,
    settings: Settings,
    verdict: Verdict,
    live: Object | None,
) -> Target | None:
    """The revision whose pods shall be there: the new one if it may run, or else the last one."""
    target = verdict.target
    if target is not None and verdict.result is not None:
        there = label(live, REVISION_LABEL) == target.revision
        if there or _store_fault(bundle, seen) is None:
            return target
    kept = record_of(seen.children, bundle.meta.name, seen.running)
    if kept is None or not dig(result_of(kept), "ok"):
        return None
    try:
        store = parse_store(seen.store or {})
    except InvalidSpec:
        return None
    return recorded(kept, bundle, store, settings.runtime_pull_policy)


def _running(
    bundle: Bundle, seen: BundleObserved, verdict: Verdict, serving: Target | None
) -> list[Object]:
    if serving is None:
        return []
    account = [] if serving.bundle.service_account else [service_account(serving.bundle)]
    result = verdict.result if serving is verdict.target else None
    if result is None:
        result = result_of(record_of(seen.children, bundle.meta.name, serving.revision))
    # Told on the Deployment too, what the check said outlives its record.
    pods = with_result(deployment(serving), result or {})
    return [
        *account,
        *surroundings(bundle, addresses_in(str(dig(seen.store, "status", "host") or ""))),
        pods,
    ]


def _store_fault(bundle: Bundle, seen: BundleObserved) -> str | None:
    """Why the store cannot be used, if it cannot."""
    ready = condition(seen.store, "Ready")
    if ready.get("status") == "True":
        return None
    why = ready.get("message") or "the operator has not looked at it yet"
    return f"EventStore {bundle.store!r} is not ready: {why}"


def _unwanted(
    bundle: Bundle, seen: BundleObserved, verdict: Verdict, serving: Target | None
) -> Iterable[tuple[Kind, str]]:
    """Children of finished work, of old revisions, and of what the spec no longer asks for."""
    wanted = verdict.target.revision if verdict.target else None
    at_work = names.check(bundle.meta.name, wanted) if wanted and not verdict.result else None
    for kind, name in seen.children:
        if kind == JOB.name and wanted and name != at_work:
            yield JOB, name
    if serving is None:
        return
    # Pods that restart mount the record of their revision, and the last complete rollout is what
    # one goes back to.
    needed = {wanted, serving.revision, seen.completed}
    needed |= {
        label(pod, REVISION_LABEL) for pod in seen.pods if label(pod, COMPONENT_LABEL) == RUNTIME
    }
    yield from _old_records(seen, needed)
    not_wanted = {
        DISRUPTION_BUDGET: bundle.replicas <= 1,
        NETWORK_POLICY: not bundle.network_policy,
        SERVICE_ACCOUNT: bool(bundle.service_account and serving.bundle.service_account),
    }
    for kind, unneeded in not_wanted.items():
        if unneeded and (kind.name, bundle.meta.name) in seen.children:
            yield kind, bundle.meta.name


def _old_records(seen: BundleObserved, needed: set[str | None]) -> Iterable[tuple[Kind, str]]:
    """All but the newest; one may want to look at those, or go back to them."""
    records = [
        body
        for (kind, _), body in seen.children.items()
        if kind == CONFIG_MAP.name and is_record(body)
    ]
    spare = [body for body in records if label(body, REVISION_LABEL) not in needed]
    spare.sort(key=lambda body: str(dig(body, "metadata", "creationTimestamp")), reverse=True)
    for body in spare[max(0, KEPT_REVISIONS - (len(records) - len(spare))) :]:
        yield CONFIG_MAP, str(body["metadata"]["name"])
