"""What a pod's status says: why it cannot start, and how it ended."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chekov_operator.children.pod_state import init_failure, last_log_line, start_fault, terminated
from chekov_operator.kube.objects import Object

NOW = 1_800_000_000.0


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
    fault = start_fault(waiting(reason, 'secret "keys" not found'), NOW)
    assert fault is not None
    assert fault.reason == reason
    assert "bank-1" in fault.message
    assert 'secret "keys" not found' in fault.message


def test_the_two_reasons_of_a_missing_image_are_one_fault() -> None:
    said = "not found"
    back_off = f'Back-off pulling image "bank:1": ErrImagePull: {said}'
    pulling = start_fault(waiting("ErrImagePull", said), NOW)
    assert pulling == start_fault(waiting("ImagePullBackOff", back_off), NOW)
    assert pulling is not None
    assert pulling.reason == "ImagePullBackOff"


def test_a_sidecar_does_not_keep_a_check_from_ending() -> None:
    ended = {"name": "runtime", "state": {"terminated": {"exitCode": 0}}}
    proxy = {"name": "proxy", "state": {"terminated": {"exitCode": 1}}}
    beside = pod(containerStatuses=[ended, proxy])
    assert [item["exitCode"] for item in terminated(beside)] == [0]


def test_a_crash_loop_is_reported_with_the_last_log_line() -> None:
    last = {"terminated": {"exitCode": 1, "message": "CHEKOV_STORE: no such host\n"}}
    fault = start_fault(waiting("CrashLoopBackOff", "back-off 10s", lastState=last), NOW)
    assert fault is not None
    assert fault.reason == "CrashLoopBackOff"
    assert fault.message.endswith("CHEKOV_STORE: no such host")


def test_a_last_line_that_only_looks_like_json_is_reported_as_it_is() -> None:
    for line in ("[" * 50_000, "{", "[]"):
        assert last_log_line(f"begun\n{line}\n") == line


def test_a_crash_loop_without_a_log_is_reported_with_the_exit_code() -> None:
    last = {"terminated": {"exitCode": 139}}
    fault = start_fault(waiting("CrashLoopBackOff", lastState=last), NOW)
    assert fault is not None
    assert "exit code 139" in fault.message


def test_a_pod_that_cannot_be_scheduled_is_reported() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: insufficient cpu",
    }
    fault = start_fault(pod(conditions=[condition]), NOW)
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
    assert start_fault(healthy, NOW) is None


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


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(NOW - seconds_ago, UTC).isoformat()


def restarted(*, crashed: float, ready: float | None = None, restarts: int = 4) -> Object:
    """A pod whose container runs after a crash; both times are in seconds ago."""
    last = {"exitCode": 1, "message": "no such table", "finishedAt": at(crashed)}
    status: Object = {
        "name": "runtime",
        "state": {"running": {}},
        "lastState": {"terminated": last},
        "restartCount": restarts,
    }
    since = at(crashed if ready is None else ready)
    condition = {
        "type": "Ready",
        "status": "False" if ready is None else "True",
        "lastTransitionTime": since,
    }
    return pod(containerStatuses=[status], conditions=[condition])


@pytest.mark.parametrize(
    ("found", "is_loop"),
    [
        (restarted(crashed=5), True),
        (restarted(crashed=20, ready=10), True),
        (restarted(crashed=120, ready=61), False),
        (restarted(crashed=601), False),
        (restarted(crashed=5, restarts=1), False),
    ],
    ids=["runs", "ready just now", "ready for a while", "long ago", "one crash"],
)
def test_a_crash_loop_lasts_until_the_pod_was_ready_for_a_while(
    found: Object,
    is_loop: bool,  # noqa: FBT001 a parameter of the test
) -> None:
    fault = start_fault(found, NOW)
    assert (fault is not None) == is_loop
    assert fault is None or (fault.reason, fault.message) == (
        "CrashLoopBackOff",
        "pod bank-1 keeps crashing: no such table",
    )


def test_a_container_that_was_killed_for_its_memory_is_named_so() -> None:
    last = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    fault = start_fault(waiting("CrashLoopBackOff", lastState=last), NOW)
    assert fault is not None
    assert fault.message.endswith("OOMKilled, exit code 137")


def test_an_init_container_that_cannot_start_is_reported() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    found = pod(initContainerStatuses=[{"name": "first", "state": state}])
    fault = start_fault(found, NOW)
    assert fault is not None
    assert fault.reason == "ImagePullBackOff"


def test_an_init_container_that_failed_is_named() -> None:
    state = {"terminated": {"exitCode": 2, "message": "no route\n"}}
    found = pod(initContainerStatuses=[{"name": "first", "state": state}])
    assert init_failure(found) == "init container first: no route"
    assert init_failure(pod()) is None


@pytest.mark.parametrize(("seconds", "is_told"), [(5, False), (31, True)])
def test_a_pod_that_gets_no_container_is_reported_after_a_while(
    seconds: float,
    is_told: bool,  # noqa: FBT001 a parameter of the test
) -> None:
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(seconds)}
    fault = start_fault(waiting("ContainerCreating"), NOW)
    assert fault is None
    found = waiting("ContainerCreating")
    found["status"]["conditions"] = [condition]
    fault = start_fault(found, NOW)
    assert (fault is not None) == is_told
    assert fault is None or fault.reason == "PodNotStarted"


@pytest.mark.parametrize(("seconds", "is_told"), [(5, False), (11, True)])
def test_what_kubernetes_warns_of_is_told_soon(
    seconds: float,
    is_told: bool,  # noqa: FBT001 a parameter of the test
) -> None:
    found = waiting("PodInitializing")
    found["metadata"]["uid"] = "pod-uid"
    found["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(seconds)}
    ]
    warnings = {"pod-uid": 'MountVolume.SetUp failed: secret "nope" not found'}
    fault = start_fault(found, NOW, warnings)
    assert (fault is not None) == is_told
    assert fault is None or 'secret "nope" not found' in fault.message
