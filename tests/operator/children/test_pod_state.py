"""What a pod's status says: why it cannot start, and how it ended."""

from typing import Any

import pytest

from chekov_operator.children.pod_state import last_log_line, start_fault, terminated
from chekov_operator.kube.objects import Object


def pod(owner: str = "job-uid", **status: Any) -> Object:
    references = [{"uid": owner, "controller": True}]
    return {"metadata": {"name": "bank-1", "ownerReferences": references}, "status": status}


def waiting(reason: str, message: str | None = None, **more: Any) -> Object:
    """A pod whose container does not start."""
    waiting_state = {"reason": reason} | ({"message": message} if message else {})
    return pod(containerStatuses=[{"name": "runtime", "state": {"waiting": waiting_state}, **more}])


@pytest.mark.parametrize(
    "reason",
    ["CreateContainerConfigError", "ImagePullBackOff", "InvalidImageName"],
)
def test_a_pod_that_cannot_start_is_reported_with_the_reason(reason: str) -> None:
    fault = start_fault(waiting(reason, 'secret "keys" not found'))
    assert fault is not None
    assert fault.reason == reason
    assert "bank-1" in fault.message
    assert 'secret "keys" not found' in fault.message


def test_the_two_reasons_of_a_missing_image_are_one_fault() -> None:
    said = "not found"
    back_off = f'Back-off pulling image "bank:1": ErrImagePull: {said}'
    pulling = start_fault(waiting("ErrImagePull", said))
    assert pulling == start_fault(waiting("ImagePullBackOff", back_off))
    assert pulling is not None
    assert pulling.reason == "ImagePullBackOff"


def test_a_sidecar_does_not_keep_a_check_from_ending() -> None:
    ended = {"name": "runtime", "state": {"terminated": {"exitCode": 0}}}
    proxy = {"name": "proxy", "state": {"terminated": {"exitCode": 1}}}
    beside = pod(containerStatuses=[ended, proxy])
    assert [item["exitCode"] for item in terminated(beside)] == [0]


def test_a_crash_loop_is_reported_with_the_last_log_line() -> None:
    last = {"terminated": {"exitCode": 1, "message": "CHEKOV_STORE: no such host\n"}}
    fault = start_fault(waiting("CrashLoopBackOff", "back-off 10s", lastState=last))
    assert fault is not None
    assert fault.reason == "CrashLoopBackOff"
    assert fault.message.endswith("CHEKOV_STORE: no such host")


def test_a_crash_loop_without_a_log_is_reported_with_the_exit_code() -> None:
    last = {"terminated": {"exitCode": 139}}
    fault = start_fault(waiting("CrashLoopBackOff", lastState=last))
    assert fault is not None
    assert "exit code 139" in fault.message


def test_a_pod_that_cannot_be_scheduled_is_reported() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: insufficient cpu",
    }
    fault = start_fault(pod(conditions=[condition]))
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
def test_a_pod_that_is_starting_has_no_fault(healthy: Object) -> None:
    assert start_fault(healthy) is None


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
def test_the_last_log_line_is_its_message(log: str, words: str) -> None:
    assert last_log_line(log) == words
