"""Reading Jobs and pods: how they ended, and why they do not start."""

from datetime import UTC, datetime
from typing import Any

from chekov_operator.api.fault import RETRY_SECONDS
from chekov_operator.children.job_outcome import JobOutcome, job_outcome, uids_to_explain
from chekov_operator.kube.objects import Object

NOW = 1_800_000_000.0
JOB: Object = {"metadata": {"name": "bank-check", "uid": "job-uid"}}


def job(*conditions: dict[str, str]) -> Object:
    return {**JOB, "status": {"conditions": list(conditions)}}


def pod(owner: str = "job-uid", **status: Any) -> Object:
    references = [{"uid": owner, "controller": True}]
    return {"metadata": {"name": "bank-1", "ownerReferences": references}, "status": status}


def ended(code: int, message: str = "", **more: Any) -> Object:
    """A pod whose container has ended."""
    state = {"terminated": {"exitCode": code, "message": message, **more}}
    return pod(containerStatuses=[{"name": "runtime", "state": state}])


def waiting(reason: str, message: str | None = None, **more: Any) -> Object:
    """A pod whose container does not start."""
    waiting_state = {"reason": reason} | ({"message": message} if message else {})
    return pod(containerStatuses=[{"name": "runtime", "state": {"waiting": waiting_state}, **more}])


FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "DeadlineExceeded",
    "message": "Job was active longer than its deadline",
}


def test_a_job_that_has_just_begun_is_not_finished() -> None:
    assert job_outcome(JOB, [], NOW) == JobOutcome(
        finished=False, succeeded=False, message="", stuck=None
    )


def test_a_container_that_ended_well_finishes_its_job_before_the_job_says_so() -> None:
    outcome = job_outcome(JOB, [ended(0, '{"ok": true}')], NOW)
    assert (outcome.finished, outcome.succeeded, outcome.message) == (True, True, '{"ok": true}')


def test_a_container_that_failed_finishes_its_job_too() -> None:
    outcome = job_outcome(JOB, [ended(1, "no module bank")], NOW)
    assert (outcome.finished, outcome.succeeded, outcome.message) == (True, False, "no module bank")


def test_a_container_without_a_message_is_reported_with_its_exit_code() -> None:
    assert "exit code 137" in job_outcome(JOB, [ended(137, reason="OOMKilled")], NOW).message
    assert "OOMKilled" in job_outcome(JOB, [ended(137, reason="OOMKilled")], NOW).message


def test_a_job_that_failed_without_a_container_says_why() -> None:
    outcome = job_outcome(job(FAILED), [], NOW)
    assert (outcome.finished, outcome.succeeded) == (True, False)
    assert outcome.message == "Job was active longer than its deadline"


def test_a_job_that_completed_needs_no_pod() -> None:
    outcome = job_outcome(job({"type": "Complete", "status": "True"}), [], NOW)
    assert (outcome.finished, outcome.succeeded) == (True, True)


def test_a_condition_that_does_not_hold_does_not_count() -> None:
    assert not job_outcome(job({"type": "Failed", "status": "False"}), [], NOW).finished


def test_pods_of_another_job_do_not_count() -> None:
    other = ended(0, "done")
    other["metadata"]["ownerReferences"][0]["uid"] = "other-uid"
    assert not job_outcome(JOB, [other], NOW).finished


def test_a_job_whose_pod_cannot_start_is_stuck() -> None:
    outcome = job_outcome(JOB, [waiting("ImagePullBackOff", "no such image")], NOW)
    assert outcome.stuck is not None
    assert outcome.stuck.reason == "ImagePullBackOff"
    assert not outcome.finished


def test_a_failed_job_is_due_again_after_a_while() -> None:
    outcome = job_outcome(JOB, [ended(1, "x", finishedAt="2026-11-24T10:00:00Z")], NOW)
    assert outcome.ended == 1795514400
    assert not outcome.is_retry_due(outcome.ended + RETRY_SECONDS / 2)
    assert outcome.is_retry_due(outcome.ended + RETRY_SECONDS)


def test_a_job_whose_pod_cannot_be_created_is_stuck_after_a_while() -> None:
    stamp = "2027-01-15T08:00:00Z"
    made = {"metadata": {**JOB["metadata"], "creationTimestamp": stamp}}
    assert job_outcome(made, [], NOW + 5).stuck is None
    stuck = job_outcome(made, [], NOW + 31).stuck
    assert stuck is not None
    assert stuck.reason == "PodNotCreated"
    assert "LimitRange" in stuck.message
    active = {**made, "status": {"active": 1}}
    assert job_outcome(active, [], NOW + 31).stuck is None


def test_a_job_that_failed_in_an_init_container_says_so() -> None:
    state = {"terminated": {"exitCode": 3, "message": "no route"}}
    found = pod(initContainerStatuses=[{"name": "first", "state": state}])
    outcome = job_outcome(job(FAILED), [found], NOW)
    assert outcome.message == "init container first: no route"


def made(seconds_ago: float) -> Object:
    stamp = datetime.fromtimestamp(NOW - seconds_ago, UTC).isoformat()
    return {"metadata": {**JOB["metadata"], "creationTimestamp": stamp}}


def test_what_kubernetes_warns_of_is_told_soon() -> None:
    warnings = {"job-uid": "pods is forbidden: maximum memory usage per Container is 256Mi"}
    assert job_outcome(made(9), [], NOW, warnings).stuck is None
    stuck = job_outcome(made(10), [], NOW, warnings).stuck
    assert stuck is not None
    assert stuck.reason == "PodNotCreated"
    assert stuck.message == f"the Job bank-check has no pod: {warnings['job-uid']}"
    assert job_outcome(made(10), [], NOW).stuck is None


def test_events_are_asked_about_what_waits_only() -> None:
    assert uids_to_explain([made(5)], [], NOW) == []
    assert uids_to_explain([made(20)], [], NOW) == ["job-uid"]
    assert uids_to_explain([made(20)], [ended(0)], NOW) == []
    assert uids_to_explain([{**made(20), "status": {"active": 1}}], [], NOW) == []
    assert uids_to_explain([{**made(20), **job(FAILED)}], [], NOW) == []
    assert len(uids_to_explain([made(20)] * 9, [], NOW)) == 3
