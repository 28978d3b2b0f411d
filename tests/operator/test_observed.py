"""Reading Jobs and pods: how they ended, and why they do not start."""

from typing import Any

import pytest

from chekov_operator.observed import (
    RETRY_SECONDS,
    JobOutcome,
    cannot_start,
    job_outcome,
    last_words,
    parse_check,
    terminated,
)
from chekov_operator.resources import Object

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
    told = {"reason": reason} | ({"message": message} if message else {})
    return pod(containerStatuses=[{"name": "runtime", "state": {"waiting": told}, **more}])


FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "DeadlineExceeded",
    "message": "Job was active longer than its deadline",
}


def test_a_job_that_has_just_begun_is_not_finished() -> None:
    assert job_outcome(JOB, []) == JobOutcome(
        finished=False, succeeded=False, message="", stuck=None
    )


def test_a_container_that_ended_well_finishes_its_job_before_the_job_says_so() -> None:
    outcome = job_outcome(JOB, [ended(0, '{"ok": true}')])
    assert (outcome.finished, outcome.succeeded, outcome.message) == (True, True, '{"ok": true}')


def test_a_container_that_failed_finishes_its_job_too() -> None:
    outcome = job_outcome(JOB, [ended(1, "no module bank")])
    assert (outcome.finished, outcome.succeeded, outcome.message) == (True, False, "no module bank")


def test_a_container_that_says_nothing_is_known_by_its_exit_code() -> None:
    assert "exit code 137" in job_outcome(JOB, [ended(137, reason="OOMKilled")]).message
    assert "OOMKilled" in job_outcome(JOB, [ended(137, reason="OOMKilled")]).message


def test_a_job_that_failed_without_a_container_says_why() -> None:
    outcome = job_outcome(job(FAILED), [])
    assert (outcome.finished, outcome.succeeded) == (True, False)
    assert outcome.message == "Job was active longer than its deadline"


def test_a_job_that_completed_needs_no_pod() -> None:
    outcome = job_outcome(job({"type": "Complete", "status": "True"}), [])
    assert (outcome.finished, outcome.succeeded) == (True, True)


def test_a_condition_that_does_not_hold_does_not_count() -> None:
    assert not job_outcome(job({"type": "Failed", "status": "False"}), []).finished


def test_pods_of_another_job_do_not_count() -> None:
    other = ended(0, "done")
    other["metadata"]["ownerReferences"][0]["uid"] = "other-uid"
    assert not job_outcome(JOB, [other]).finished


def test_a_job_whose_pod_cannot_start_is_stuck() -> None:
    outcome = job_outcome(JOB, [waiting("ImagePullBackOff", "no such image")])
    assert outcome.stuck is not None
    assert outcome.stuck.reason == "ImagePullBackOff"
    assert not outcome.finished


def test_a_failed_job_is_due_again_after_a_while() -> None:
    outcome = job_outcome(JOB, [ended(1, "x", finishedAt="2026-11-24T10:00:00Z")])
    assert outcome.ended == 1795514400
    assert not outcome.is_due(outcome.ended + RETRY_SECONDS / 2)
    assert outcome.is_due(outcome.ended + RETRY_SECONDS)


@pytest.mark.parametrize(
    "reason",
    ["CreateContainerConfigError", "ImagePullBackOff", "InvalidImageName"],
)
def test_a_pod_that_cannot_start_is_told_with_the_reason(reason: str) -> None:
    fault = cannot_start(waiting(reason, 'secret "keys" not found'))
    assert fault is not None
    assert fault.reason == reason
    assert "bank-1" in fault.message
    assert 'secret "keys" not found' in fault.message


def test_the_two_faces_of_a_missing_image_are_one_trouble() -> None:
    said = "not found"
    back_off = f'Back-off pulling image "bank:1": ErrImagePull: {said}'
    pulling = cannot_start(waiting("ErrImagePull", said))
    assert pulling == cannot_start(waiting("ImagePullBackOff", back_off))
    assert pulling is not None
    assert pulling.reason == "ImagePullBackOff"


def test_a_proxy_beside_the_check_does_not_keep_it_from_ending() -> None:
    ended = {"name": "runtime", "state": {"terminated": {"exitCode": 0}}}
    proxy = {"name": "proxy", "state": {"terminated": {"exitCode": 1}}}
    beside = pod(containerStatuses=[ended, proxy])
    assert [item["exitCode"] for item in terminated(beside)] == [0]


def test_a_pod_that_ends_again_and_again_is_told_with_its_last_words() -> None:
    last = {"terminated": {"exitCode": 1, "message": "CHEKOV_STORE: no such host\n"}}
    fault = cannot_start(waiting("CrashLoopBackOff", "back-off 10s", lastState=last))
    assert fault is not None
    assert fault.reason == "CrashLoopBackOff"
    assert fault.message.endswith("CHEKOV_STORE: no such host")


def test_a_pod_that_ends_without_a_word_is_told_with_its_exit_code() -> None:
    last = {"terminated": {"exitCode": 139}}
    fault = cannot_start(waiting("CrashLoopBackOff", lastState=last))
    assert fault is not None
    assert "exit code 139" in fault.message


def test_a_pod_that_no_node_takes_is_told() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: insufficient cpu",
    }
    fault = cannot_start(pod(conditions=[condition]))
    assert fault is not None
    assert (fault.reason, "insufficient cpu" in fault.message) == ("Unschedulable", True)


@pytest.mark.parametrize(
    "healthy",
    [
        pod(),
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        pod(containerStatuses=[{"name": "runtime", "state": {"running": {}}}]),
    ],
)
def test_a_pod_that_is_on_its_way_has_no_fault(healthy: Object) -> None:
    assert cannot_start(healthy) is None


@pytest.mark.parametrize("said", [None, "", "Killed", "[1]", '"ok"', '{"status": 1}', "{"])
def test_what_is_no_answer_of_a_check_is_none(said: str | None) -> None:
    assert parse_check(said) is None


def test_an_answer_of_a_check_is_read() -> None:
    assert parse_check('{"ok": true, "domain": "bank"}') == {"ok": True, "domain": "bank"}


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        (
            '{"message": "answering"}\n{"message": "no database", "level": "CRITICAL"}',
            "no database",
        ),
        ('{"level": "CRITICAL"}', '{"level": "CRITICAL"}'),
        ("[1]", "[1]"),
    ],
)
def test_the_last_words_of_a_log_are_its_last_message(log: str, words: str) -> None:
    assert last_words(log) == words
