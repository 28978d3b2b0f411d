"""The Deployments and budgets of a bundle's revisions, as they should be next. Pure."""

from collections.abc import Mapping

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import Store
from chekov_operator.children.revision import Revision
from chekov_operator.children.workloads import deployment, disruption_budget
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.check_result import with_result
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.pod_counts import Limits, Pods, next_counts
from chekov_operator.controllers.bundle.revisions import (
    deployments,
    known_result,
    records,
    to_revision,
    with_spec,
)
from chekov_operator.controllers.bundle.rollout import ready_pods, stuck_pods
from chekov_operator.controllers.bundle.rotation import cause_of_rollout, versions, with_versions
from chekov_operator.kube.objects import Object, nested
from chekov_operator.settings import Settings


def plan_deployments(
    observed: ObservedBundle, check: Check, target: Revision, limits: Limits, settings: Settings
) -> list[Object]:
    """A Deployment for each revision, and a budget for each that has several pods.

    Args:
        observed: what there is.
        check: of the revision that the spec asks for.
        target: the revision that should get the pods.
        limits: of the rollout.
        settings: of the operator.
    """
    counts = next_counts(target.name, pods_by_revision(observed), limits)
    planned: list[Object] = []
    for name, count in counts.items():
        revision = (
            target
            if name == target.name
            else stored_revision(name, target.bundle, observed, target.store, settings)
        )
        if revision is None:
            continue
        is_checked = check.revision is not None and check.revision.name == name
        result = check.output if is_checked else known_result(observed.children, name)
        planned.append(_deployment(revision, count, observed, result))
        if count > 1:
            planned.append(disruption_budget(revision))
    return planned


def pods_by_revision(observed: ObservedBundle) -> Mapping[str, Pods]:
    """The pods of each revision, in the order in which the revisions give theirs up.

    The one that was last rolled out completely comes last.
    """
    live = deployments(observed.children)
    ordered = sorted(live, key=lambda name: (name == observed.completed, name))
    return {name: _pods(name, live[name], observed) for name in ordered}


def _pods(revision: str, live: Object, observed: ObservedBundle) -> Pods:
    wanted = int(nested(live, "spec", "replicas") or 0)
    ready = ready_pods(live, observed.pods, revision)
    if ready >= wanted:
        # Mostly nobody waits for any, and to look at each pod would take most of a plan.
        return Pods(wanted, ready)
    return Pods(wanted, ready, stuck_pods(live, observed.pods, revision, observed.now))


def stored_revision(
    name: str | None, bundle: Bundle, observed: ObservedBundle, store: Store, settings: Settings
) -> Revision | None:
    """A revision that was stored; `None` if it cannot be used."""
    record = records(observed.children).get(name or "")
    if record is None:
        return None
    pull_policy = settings.runtime_pull_policy
    return to_revision(record, bundle, observed.children, store, pull_policy)


def _deployment(
    revision: Revision, count: int, observed: ObservedBundle, result: Object | None
) -> Object:
    live = deployments(observed.children).get(revision.name)
    body = deployment(revision, count, name=nested(live, "metadata", "name"))
    # It has the result and the spec too, so that they survive the deletion of the BundleRevision.
    body = with_result(body, result or {})
    found = versions(revision, observed, live)
    cause = cause_of_rollout(revision.name, found, live)
    return with_versions(with_spec(body, revision), found, cause)
