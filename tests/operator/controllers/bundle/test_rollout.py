"""When a revision counts as rolled out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chekov_operator.controllers.bundle.rollout import Rollout, read_rollout, stuck_pods
from chekov_operator.kube.objects import Object

NEW, OLD = "aaaa", "bbbb"


NOW = 1_800_000_000.0


def deployment(
    revision: str = NEW,
    *,
    observed: int = 2,
    wanted: int = 2,
    **status: Any,
) -> Object:
    """A Deployment of generation 2, all of whose pods serve by default."""
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    return {
        "metadata": {"generation": 2, "labels": {"chekov.dev/revision": revision}},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": observed,
            **counts,
            **status,
        },
    }


def read(
    live: Object | None, pods: list[Object], replicas: int = 2, completed: str | None = None
) -> Rollout:
    """The rollout of the new revision, with one Deployment."""
    found = {} if live is None else {live["metadata"]["labels"]["chekov.dev/revision"]: live}
    return read_rollout(found, pods, NEW, replicas, NOW, completed=completed)


def broken_pod(revision: str = NEW, component: str = "runtime") -> Object:
    waiting = {"reason": "CrashLoopBackOff"}
    labels = {"chekov.dev/revision": revision, "app.kubernetes.io/component": component}
    return {
        "metadata": {"name": "bank-1", "labels": labels},
        "status": {"containerStatuses": [{"state": {"waiting": waiting}}]},
    }


@pytest.mark.parametrize(
    ("live", "completed", "done", "complete"),
    [
        (deployment(), None, True, True),
        (None, NEW, False, False),
        (deployment(OLD), OLD, False, False),
        (deployment(observed=1), NEW, False, False),
        (deployment(wanted=3), NEW, False, False),
        (deployment(updatedReplicas=1), NEW, False, False),
        (deployment(replicas=3), NEW, False, False),
        (deployment(readyReplicas=1), NEW, False, True),
        (deployment(readyReplicas=None), NEW, False, True),
        (deployment(readyReplicas=1), OLD, False, False),
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
    completed: str | None,
    done: bool,  # noqa: FBT001
    complete: bool,  # noqa: FBT001
) -> None:
    found = read(live, [], completed=completed)
    assert (found.done, found.complete) == (done, complete)


def test_no_pods_are_done_when_none_are_wanted() -> None:
    empty = deployment(wanted=0, replicas=None, updatedReplicas=None, readyReplicas=None)
    assert read(empty, [], 0) == Rollout(done=True, complete=True, ready=0, others=[])


def test_a_new_pod_that_cannot_start_is_the_fault() -> None:
    found = read(deployment(updatedReplicas=1), [broken_pod()])
    assert found.fault is not None
    assert found.fault.reason == "CrashLoopBackOff"


@pytest.mark.parametrize("pod", [broken_pod(OLD), broken_pod(component="check")])
def test_pods_of_old_revisions_and_of_checks_are_not(pod: Object) -> None:
    assert read(deployment(), [pod]).fault is None


REFUSED = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": "exceeded quota",
}


def test_pods_that_may_not_be_made_are_the_fault() -> None:
    found = read(deployment(updatedReplicas=0, conditions=[REFUSED]), [])
    assert found.fault is not None
    assert (found.fault.reason, "exceeded quota" in found.fault.message) == ("FailedCreate", True)


def pod_of(revision: str, *, ready: bool = True, component: str = "runtime") -> Object:
    labels = {"chekov.dev/revision": revision, "app.kubernetes.io/component": component}
    condition = {"type": "Ready", "status": str(ready)}
    return {"metadata": {"name": "bank-1", "labels": labels}, "status": {"conditions": [condition]}}


def test_ready_pods_of_an_old_revision_are_not_counted_as_those_of_the_new_one() -> None:
    stuck = deployment(replicas=3, updatedReplicas=1, readyReplicas=2)
    pods = [pod_of(OLD), pod_of(OLD), pod_of(NEW, ready=False), pod_of(OLD, component="check")]
    found = read(stuck, pods)
    assert (found.ready, found.others) == (0, [OLD])
    found = read(stuck, [*pods, pod_of(NEW)])
    assert (found.ready, found.others) == (1, [OLD])


def test_a_rollout_that_is_complete_needs_no_pods_to_be_counted() -> None:
    found = read(deployment(), [])
    assert (found.ready, found.others) == (2, [])


def test_a_deployment_that_has_not_seen_its_new_spec_counts_the_old_pods() -> None:
    found = read(deployment(observed=1), [pod_of(OLD)])
    assert (found.ready, found.others) == (0, [OLD])


def test_it_is_not_done_while_an_old_revision_has_pods() -> None:
    old = deployment(OLD, wanted=0, replicas=1, readyReplicas=1)
    assert not read_rollout({NEW: deployment(), OLD: old}, [], NEW, 2, NOW).done
    old = deployment(OLD, wanted=0, replicas=None, readyReplicas=None)
    assert read_rollout({NEW: deployment(), OLD: old}, [], NEW, 2, NOW).done


@pytest.mark.parametrize(
    ("pod", "seconds", "stuck"),
    [
        (pod_of(OLD, ready=False), 61, 1),
        (pod_of(OLD, ready=False), 59, 0),
        (pod_of(OLD), 61, 0),
        (pod_of(NEW, ready=False), 61, 0),
        (pod_of(OLD, ready=False, component="check"), 61, 0),
    ],
    ids=["for a minute", "not for that long", "ready", "of another revision", "of a check"],
)
def test_a_pod_is_stuck_that_has_not_become_ready_for_a_minute(
    pod: Object, seconds: float, stuck: int
) -> None:
    aged = made(seconds, pod)
    assert stuck_pods(None, [aged], OLD, NOW) == stuck
    going = {**aged, "metadata": {**aged["metadata"], "deletionTimestamp": "2026-11-24T00:00:00Z"}}
    assert stuck_pods(None, [going], OLD, NOW) == 0


def made(seconds: float, pod: Object) -> Object:
    """A pod that was made so many seconds ago."""
    since = datetime.fromtimestamp(NOW - seconds, UTC).isoformat()
    return {**pod, "metadata": {**pod["metadata"], "creationTimestamp": since}}


def test_a_pod_that_was_evicted_is_not_stuck() -> None:
    """It stays for long, and the one that takes its place is starting."""
    evicted = made(61, pod_of(OLD, ready=False))
    evicted["status"] |= {"phase": "Failed", "reason": "Evicted"}
    assert stuck_pods(deployment(OLD), [evicted, made(1, pod_of(OLD, ready=False))], OLD, NOW) == 0


def test_pods_that_may_not_be_made_are_stuck() -> None:
    live = deployment(OLD, wanted=4, conditions=[REFUSED])
    pods = [made(61, pod_of(OLD)), made(61, pod_of(OLD, ready=False))]
    assert stuck_pods(live, pods, OLD, NOW) == 3
    assert stuck_pods(deployment(OLD, wanted=4), pods, OLD, NOW) == 1
