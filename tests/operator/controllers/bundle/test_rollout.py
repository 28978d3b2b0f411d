"""When a revision counts as rolled out."""

from typing import Any

import pytest

from chekov_operator.controllers.bundle.rollout import Rollout, read_rollout
from chekov_operator.kube.objects import Object

NEW, OLD = "aaaa", "bbbb"


NOW = 1_800_000_000.0


def deployment(
    revision: str = NEW,
    *,
    observed: int = 2,
    wanted: int = 2,
    reason: str = "NewReplicaSetAvailable",
    **status: Any,
) -> Object:
    """A Deployment of generation 2, all of whose pods serve by default."""
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    return {
        "metadata": {"generation": 2, "labels": {"chekov.dev/revision": revision}},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": observed,
            "conditions": [{"type": "Progressing", "status": "True", "reason": reason}],
            **counts,
            **status,
        },
    }


def broken_pod(revision: str = NEW, component: str = "runtime") -> Object:
    waiting = {"reason": "CrashLoopBackOff"}
    labels = {"chekov.dev/revision": revision, "app.kubernetes.io/component": component}
    return {
        "metadata": {"name": "bank-1", "labels": labels},
        "status": {"containerStatuses": [{"state": {"waiting": waiting}}]},
    }


@pytest.mark.parametrize(
    ("live", "done", "complete"),
    [
        (deployment(), True, True),
        (None, False, False),
        (deployment(OLD), False, False),
        (deployment(observed=1), False, False),
        (deployment(wanted=3), False, False),
        (deployment(updatedReplicas=1), False, False),
        (deployment(replicas=3), False, False),
        (deployment(readyReplicas=1), False, True),
        (deployment(readyReplicas=None), False, True),
        (deployment(readyReplicas=1, reason="ReplicaSetUpdated"), False, False),
    ],
    ids=[
        "all serve",
        "none",
        "another revision",
        "not observed yet",
        "another size",
        "one is old",
        "an old one is left",
        "one is not ready",
        "none is ready",
        "one was never ready",
    ],
)
def test_it_is_done_when_every_pod_is_new_and_serves(
    live: Object | None,
    done: bool,  # noqa: FBT001
    complete: bool,  # noqa: FBT001
) -> None:
    found = read_rollout(live, [], NEW, 2, NOW)
    assert (found.done, found.complete) == (done, complete)


def test_no_pods_are_done_when_none_are_wanted() -> None:
    empty = deployment(wanted=0, replicas=None, updatedReplicas=None, readyReplicas=None)
    assert read_rollout(empty, [], NEW, 0, NOW) == Rollout(
        done=True, complete=True, ready=0, others=[]
    )


def test_a_new_pod_that_cannot_start_is_the_fault() -> None:
    found = read_rollout(deployment(updatedReplicas=1), [broken_pod()], NEW, 2, NOW)
    assert found.fault is not None
    assert found.fault.reason == "CrashLoopBackOff"


@pytest.mark.parametrize("pod", [broken_pod(OLD), broken_pod(component="check")])
def test_pods_of_old_revisions_and_of_checks_are_not(pod: Object) -> None:
    assert read_rollout(deployment(), [pod], NEW, 2, NOW).fault is None


def test_pods_that_may_not_be_made_are_the_fault() -> None:
    condition = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "exceeded quota",
    }
    found = read_rollout(deployment(updatedReplicas=0, conditions=[condition]), [], NEW, 2, NOW)
    assert found.fault is not None
    assert (found.fault.reason, "exceeded quota" in found.fault.message) == ("FailedCreate", True)


def test_a_rollout_that_takes_too_long_is_the_fault() -> None:
    condition = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "has timed out progressing",
    }
    found = read_rollout(deployment(updatedReplicas=1, conditions=[condition]), [], NEW, 2, NOW)
    assert found.fault is not None
    assert found.fault.reason == "RolloutTimedOut"


def test_what_an_older_rollout_ran_into_does_not_count() -> None:
    condition = {"type": "Progressing", "status": "False", "reason": "x", "message": "y"}
    assert read_rollout(deployment(OLD, conditions=[condition]), [], NEW, 2, NOW).fault is None


def pod_of(revision: str, *, ready: bool = True, component: str = "runtime") -> Object:
    labels = {"chekov.dev/revision": revision, "app.kubernetes.io/component": component}
    condition = {"type": "Ready", "status": str(ready)}
    return {"metadata": {"name": "bank-1", "labels": labels}, "status": {"conditions": [condition]}}


def test_ready_pods_of_an_old_revision_are_not_counted_as_those_of_the_new_one() -> None:
    stuck = deployment(replicas=3, updatedReplicas=1, readyReplicas=2, reason="ReplicaSetUpdated")
    pods = [pod_of(OLD), pod_of(OLD), pod_of(NEW, ready=False), pod_of(OLD, component="check")]
    found = read_rollout(stuck, pods, NEW, 2, NOW)
    assert (found.ready, found.others) == (0, [OLD])
    found = read_rollout(stuck, [*pods, pod_of(NEW)], NEW, 2, NOW)
    assert (found.ready, found.others) == (1, [OLD])


def test_a_rollout_that_is_complete_needs_no_pods_to_be_counted() -> None:
    found = read_rollout(deployment(), [], NEW, 2, NOW)
    assert (found.ready, found.others) == (2, [])


def test_a_deployment_that_has_not_seen_its_new_spec_counts_the_old_pods() -> None:
    found = read_rollout(deployment(observed=1), [pod_of(OLD)], NEW, 2, NOW)
    assert (found.ready, found.others) == (0, [OLD])
