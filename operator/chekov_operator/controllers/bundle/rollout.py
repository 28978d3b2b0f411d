"""The progress of a rollout, read from the Deployments and their pods. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chekov_operator.api.fault import Fault
from chekov_operator.children.pod_state import seconds_of, start_fault
from chekov_operator.children.workloads import RUNTIME
from chekov_operator.kube.kinds import COMPONENT_LABEL, REVISION_LABEL
from chekov_operator.kube.objects import Object, condition_of, label, nested

_STARTING_SECONDS: Final = 60.0
"""How long a pod is taken to be starting."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """The progress of a rollout.

    Attributes:
        done: whether exactly the wanted pods exist, all of the revision and all ready.
        complete: whether it has been done once, even if pods have become unready since.
        ready: the number of ready pods of the revision.
        updated: the number of its pods that have its newest template.
        fault: why it does not progress, if so.
        others: the other revisions that have ready pods.
    """

    done: bool
    complete: bool
    ready: int
    updated: int = 0
    fault: Fault | None = None
    others: Sequence[str] = ()


def read_rollout(
    deployments: Mapping[str, Object],
    pods: Sequence[Object],
    revision: str,
    replicas: int,
    now: float,
    warnings: Mapping[str, str] | None = None,
    completed: str | None = None,
) -> Rollout:
    """Read the progress of a rollout.

    Args:
        deployments: the Deployment of each revision that has one.
        pods: the bundle's pods.
        revision: the revision to be rolled out.
        replicas: the number of wanted pods.
        now: the time in seconds since the epoch.
        warnings: of Kubernetes, by the uid of what they are about.
        completed: the revision that was last rolled out completely.
    """
    live = deployments.get(revision)
    ready = _count(live, "readyReplicas")
    replaced = (
        _is_observed(live)
        and nested(live, "spec", "replicas") == replicas
        and _count(live, "updatedReplicas") == replicas
        and _count(live, "replicas") == replicas
        and not any(_has_pods(body) for name, body in deployments.items() if name != revision)
    )
    return Rollout(
        done=replaced and ready >= replicas,
        complete=replaced and (ready >= replicas or revision == completed),
        ready=ready_pods(live, pods, revision),
        updated=_count(live, "updatedReplicas"),
        fault=_fault(live if _is_observed(live) else None, pods, revision, now, warnings),
        others=sorted({name for pod in pods if (name := _serving(pod)) and name != revision}),
    )


def ready_pods(live: Object | None, pods: Sequence[Object], revision: str) -> int:
    """How many pods of a revision are ready.

    The Deployment of an older operator counts those of all revisions as one.
    """
    is_alone = _count(live, "updatedReplicas") == _count(live, "replicas")
    if label(live, REVISION_LABEL) == revision and _is_observed(live) and is_alone:
        return _count(live, "readyReplicas")
    return sum(_serving(pod) == revision for pod in pods)


def stuck_pods(live: Object | None, pods: Sequence[Object], revision: str, now: float) -> int:
    """How many pods of a revision will hardly become ready soon.

    They have been there for a minute, or may not be made.
    """
    own = [pod for pod in pods if _kept_revision(pod) == revision and not _has_ended(pod)]
    missing = int(nested(live, "spec", "replicas") or 0) - len(own)
    unmade = max(0, missing) if _failure_to_make(live) else 0
    return unmade + sum(
        not _is_ready(pod)
        and now - seconds_of(nested(pod, "metadata", "creationTimestamp")) > _STARTING_SECONDS
        for pod in own
    )


def _is_observed(live: Object | None) -> bool:
    """Whether a Deployment exists, and its status is about its present spec."""
    observed = nested(live, "status", "observedGeneration")
    return live is not None and observed == nested(live, "metadata", "generation")


def _has_pods(live: Object) -> bool:
    return bool(nested(live, "spec", "replicas") or _count(live, "replicas"))


def _serving(pod: Object) -> str | None:
    """The revision of a pod that serves."""
    return _kept_revision(pod) if _is_ready(pod) else None


def _is_ready(pod: Object) -> bool:
    return bool(condition_of(pod, "Ready").get("status") == "True")


def _has_ended(pod: Object) -> bool:
    """Whether a pod was evicted, say: it is kept, and another one takes its place."""
    return nested(pod, "status", "phase") in ("Failed", "Succeeded")


def _kept_revision(pod: Object) -> str | None:
    """The revision of a pod of the runtime that is not being deleted."""
    # One that is being deleted is ready until its node says otherwise.
    stays = nested(pod, "metadata", "deletionTimestamp") is None
    return label(pod, REVISION_LABEL) if stays and label(pod, COMPONENT_LABEL) == RUNTIME else None


def _fault(
    live: Object | None,
    pods: Sequence[Object],
    revision: str,
    now: float,
    warnings: Mapping[str, str] | None,
) -> Fault | None:
    for pod in pods:
        if label(pod, REVISION_LABEL) == revision and label(pod, COMPONENT_LABEL) == RUNTIME:
            fault = start_fault(pod, now, warnings)
            if fault is not None:
                return fault
    return _failure_to_make(live)


def _failure_to_make(live: Object | None) -> Fault | None:
    """Why pods of a Deployment may not be made, if so: a quota, say."""
    found = condition_of(live, "ReplicaFailure")
    if found.get("status") != "True":
        return None
    return Fault(str(found["reason"]), f"pods cannot be created: {found.get('message')}")


def _count(live: Object | None, name: str) -> int:
    return int(nested(live, "status", name) or 0)
