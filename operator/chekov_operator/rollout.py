"""How far a Deployment is with running a revision. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from chekov_operator.observed import Fault, cannot_start
from chekov_operator.resources import (
    COMPONENT_LABEL,
    REVISION_LABEL,
    Object,
    dig,
    label,
    objects,
)
from chekov_operator.workloads import RUNTIME


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a Deployment stands.

    Attributes:
        done: whether every wanted pod runs the revision and can serve, and no other is left.
        complete: whether it was done once, even if some pods have failed since.
        ready: pods that can serve, of whatever revision.
        fault: what is wrong, if something is.
    """

    done: bool
    complete: bool
    ready: int
    fault: Fault | None = None


def rollout_of(
    live: Object | None, pods: Sequence[Object], revision: str, replicas: int
) -> Rollout:
    """Read a Deployment and its pods.

    Args:
        live: the Deployment, if there is one.
        pods: of the bundle.
        revision: that shall run.
        replicas: how many pods shall run it.
    """
    ready = _count(live, "readyReplicas")
    current = (
        label(live, REVISION_LABEL) == revision
        and dig(live, "status", "observedGeneration") == dig(live, "metadata", "generation")
        and dig(live, "spec", "replicas") == replicas
    )
    replaced = (
        current
        and _count(live, "updatedReplicas") == replicas
        and _count(live, "replicas") == replicas
    )
    return Rollout(
        done=replaced and ready >= replicas,
        complete=replaced and (ready >= replicas or _was_complete(live)),
        ready=ready,
        fault=_trouble(live if current else None, pods, revision),
    )


def _trouble(live: Object | None, pods: Sequence[Object], revision: str) -> Fault | None:
    for pod in pods:
        if label(pod, REVISION_LABEL) == revision and label(pod, COMPONENT_LABEL) == RUNTIME:
            fault = cannot_start(pod)
            if fault is not None:
                return fault
    for item in objects(live, "status", "conditions"):
        if item["type"] == "ReplicaFailure" and item["status"] == "True":
            return Fault(str(item["reason"]), f"pods cannot be made: {item.get('message')}")
        if item["type"] == "Progressing" and item["status"] == "False":
            message = f"revision {revision} did not become ready in time: {item.get('message')}"
            return Fault("RolloutTimedOut", message)
    return None


def _was_complete(live: Object | None) -> bool:
    conditions = objects(live, "status", "conditions")
    return any(
        item["type"] == "Progressing" and item.get("reason") == "NewReplicaSetAvailable"
        for item in conditions
    )


def _count(live: Object | None, name: str) -> int:
    return int(dig(live, "status", name) or 0)
