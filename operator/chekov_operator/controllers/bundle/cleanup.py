"""The children of a bundle that should not exist any more. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children import names
from chekov_operator.children.revision import Revision
from chekov_operator.children.subscriptions import subscriptions
from chekov_operator.children.workloads import RUNTIME
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.check_result import is_whole
from chekov_operator.controllers.bundle.gate import Gate
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import (
    deployments,
    is_taken_over,
    known_result,
    records,
)
from chekov_operator.controllers.bundle.rollout import ready_pods
from chekov_operator.controllers.bundle.rollout_state import RolloutState
from chekov_operator.kube.kinds import (
    COMPONENT_LABEL,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    NETWORK_POLICY,
    REVISION,
    REVISION_LABEL,
    SERVICE_ACCOUNT,
    SUBSCRIPTION,
    Kind,
)
from chekov_operator.kube.objects import Object, label, nested

KEPT_REVISIONS: Final = 3


def unwanted(
    bundle: Bundle,
    observed: ObservedBundle,
    check: Check,
    gates: Iterable[Gate],
    target: Revision | None,
    origin: str | None,
    planned: Sequence[Object],
) -> Iterable[tuple[Kind, str]]:
    """Finished checks, old revisions, and children that the spec no longer asks for.

    Args:
        bundle: the spec.
        observed: what there is.
        check: of the revision that the spec asks for.
        gates: of the same, and of the revision to which a rollout is to go back.
        target: the revision that should have pods, if any can.
        origin: the revision to which a rollout would go back.
        planned: the children that should exist.
    """
    wanted = check.revision.name if check.revision else None
    # Its result is lost with the Job until the BundleRevision has it.
    has_passed = nested(known_result(observed.children, wanted), "ok") is True
    needed_jobs = {gate.job for gate in gates}
    if wanted and not has_passed:
        needed_jobs.add(names.check(bundle.meta.name, wanted))
    for kind, name in observed.children:
        if kind == JOB.name and wanted and name not in needed_jobs:
            yield JOB, name
    yield from _code_of_images(observed)
    for policy in (names.check_policy(bundle.meta.name), names.gate_policy(bundle.meta.name)):
        if not bundle.network_policy and (NETWORK_POLICY.name, policy) in observed.children:
            yield NETWORK_POLICY, policy
    if target is None:
        return
    yield from _old_revisions(observed, {wanted, target.name, observed.completed, origin})
    yield from _unplanned(observed, target, planned)
    unneeded = {
        NETWORK_POLICY: not bundle.network_policy,
        SERVICE_ACCOUNT: bool(bundle.service_account and target.bundle.service_account),
    }
    for kind, is_unneeded in unneeded.items():
        if is_unneeded and (kind.name, bundle.meta.name) in observed.children:
            yield kind, bundle.meta.name


def undeclared(
    bundle: Bundle, observed: ObservedBundle, result: Object | None, rollout: RolloutState | None
) -> Iterable[tuple[Kind, str]]:
    """The Subscriptions of handlers that the serving revision does not have any more.

    They stay while a rollout is under way, since it may go back: what people set in them, such as
    `spec.suspend`, would be lost.

    Args:
        bundle: the spec.
        observed: what there is.
        result: of the check of that revision.
        rollout: how far it is, if one is under way or went back.
    """
    is_under_way = rollout is not None and not rollout.is_back
    if is_under_way or not is_whole(result):
        return
    declared = {item["metadata"]["name"] for item in subscriptions(bundle, result)}
    for kind, name in observed.children:
        if kind == SUBSCRIPTION.name and name not in declared:
            yield SUBSCRIPTION, name


def _unplanned(
    observed: ObservedBundle, target: Revision, planned: Sequence[Object]
) -> Iterable[tuple[Kind, str]]:
    """Budgets that are not needed, and Deployments of which nobody knows how to make them."""
    names_of = {(body["kind"], body["metadata"]["name"]) for body in planned}
    for kind, name in observed.children:
        # An older operator's budget is for all pods, and no pod can be evicted that has two.
        if kind == DISRUPTION_BUDGET.name and (kind, name) not in names_of:
            yield DISRUPTION_BUDGET, name
    live = deployments(observed.children)
    serving = ready_pods(live.get(target.name), observed.pods, target.name)
    for revision, body in live.items():
        is_unknown = revision != target.name and revision not in records(observed.children)
        if is_unknown and serving >= target.bundle.pods:
            yield DEPLOYMENT, str(body["metadata"]["name"])


def _code_of_images(observed: ObservedBundle) -> Iterable[tuple[Kind, str]]:
    """The ConfigMaps in which an older operator stored revisions of images, once adopted."""
    for body in records(observed.children).values():
        name = str(body["metadata"]["name"])
        is_stored = (CONFIG_MAP.name, name) in observed.children
        if (
            is_stored
            and not nested(body, "spec", "code")
            and is_taken_over(body, observed.children)
        ):
            yield CONFIG_MAP, name


def _old_revisions(observed: ObservedBundle, needed: set[str | None]) -> Iterable[tuple[Kind, str]]:
    """The oldest of the revisions that are not needed, as far as more than enough are stored.

    A pod that restarts mounts the ConfigMap of its revision, which goes with the BundleRevision.
    """
    live = deployments(observed.children)
    needed = needed | {
        label(pod, REVISION_LABEL)
        for pod in observed.pods
        if label(pod, COMPONENT_LABEL) == RUNTIME
    }
    needed |= {name for name, body in live.items() if nested(body, "spec", "replicas")}
    stored = records(observed.children)
    spare = [name for name in stored if name not in needed]
    spare.sort(key=lambda name: int(nested(stored[name], "spec", "number") or 0), reverse=True)
    gone = spare[max(0, KEPT_REVISIONS - (len(stored) - len(spare))) :]
    for name in gone:
        yield REVISION, str(stored[name]["metadata"]["name"])
    for name, body in live.items():
        if name in gone:
            yield DEPLOYMENT, str(body["metadata"]["name"])
