"""What the status of a pod says: whether it can start, became ready, or ended."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from chekov_operator.api.fault import Fault
from chekov_operator.kube.objects import Object, nested, nested_list

_OWN_CONTAINERS: Final = frozenset({"runtime", "migrate"})
_START_FAILURES: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)


def terminated(pod: Object) -> list[Object]:
    """The `terminated` state of the pod's own container, if that has ended."""
    statuses = nested_list(pod, "status", "containerStatuses")
    # A sidecar, such as a proxy, may still run.
    own = [item for item in statuses if item.get("name") in _OWN_CONTAINERS] or statuses
    return [ended for item in own if (ended := nested(item, "state", "terminated"))]


def last_became_ready(pods: Sequence[Object]) -> float:
    """When a pod became ready most recently, in seconds since the epoch; 0 if none is ready."""
    return max(
        (
            seconds_of(item.get("lastTransitionTime"))
            for pod in pods
            for item in nested_list(pod, "status", "conditions")
            if (item.get("type"), item.get("status")) == ("Ready", "True")
        ),
        default=0.0,
    )


def start_fault(pod: Object) -> Fault | None:
    """Why a pod cannot start or keeps crashing, if so."""
    name = nested(pod, "metadata", "name")
    for item in nested_list(pod, "status", "containerStatuses"):
        waiting = nested(item, "state", "waiting")
        reason = str(nested(waiting, "reason") or "")
        if reason in _START_FAILURES:
            # Kubernetes alternates between the two reasons for one cause; report one of them.
            message = str(nested(waiting, "message") or reason).rpartition(": ErrImagePull: ")[2]
            reason = "ImagePullBackOff" if reason == "ErrImagePull" else reason
            return Fault(reason, f"pod {name}: {message}")
        if reason == "CrashLoopBackOff":
            ended = nested(item, "lastState", "terminated")
            message = last_log_line(str(nested(ended, "message") or ""))
            message = message or f"exit code {nested(ended, 'exitCode')}"
            return Fault(reason, f"pod {name} keeps crashing: {message}")
    for item in nested_list(pod, "status", "conditions"):
        if item.get("type") == "PodScheduled" and item.get("reason") == "Unschedulable":
            return Fault("Unschedulable", f"pod {name}: {item.get('message')}")
    return None


def last_log_line(log: str) -> str:
    """The last line of a log; if it is JSON, its message."""
    lines = log.strip().splitlines()
    if not lines:
        return ""
    try:
        message = nested(json.loads(lines[-1]), "message")
    except ValueError:
        message = None
    return str(message or lines[-1])


def seconds_of(stamp: str | None) -> float:
    """A time of the API in seconds since the epoch; 0 if there is none."""
    try:
        return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
    except ValueError:
        return 0.0
