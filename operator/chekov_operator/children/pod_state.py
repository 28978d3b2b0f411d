"""What the status of a pod says: whether it can start, became ready, or ended."""

import json
from collections.abc import Mapping, Sequence
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
_CRASH_LOOP: Final = "CrashLoopBackOff"
_CREATING: Final = frozenset({"ContainerCreating", "PodInitializing"})
_LOOP: Final = 2
"""Restarts from which on crashes are a loop; Kubernetes restarts at once the first time."""
_STABLE_SECONDS: Final = 60.0
_FORGOTTEN_SECONDS: Final = 600.0
WARNED_SECONDS: Final = 10.0
"""After which a pod without a container, or a Job without a pod, is reported with a warning."""
SLOW_SECONDS: Final = 30.0
"""After which it is reported without a warning, too."""


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


def start_fault(pod: Object, now: float, warnings: Mapping[str, str] | None = None) -> Fault | None:
    """Why a pod cannot start or keeps crashing, if so.

    A crash loop is one until the pod has been ready for a while: between two crashes the container
    runs, which does not mean that it is well.

    Args:
        pod: the pod.
        now: the time in seconds since the epoch.
        warnings: of Kubernetes, by the uid of what they are about.
    """
    name = nested(pod, "metadata", "name")
    for item in _statuses(pod):
        waiting = nested(item, "state", "waiting")
        reason = str(nested(waiting, "reason") or "")
        if reason in _START_FAILURES:
            # Kubernetes alternates between the two reasons for one cause; report one of them.
            message = str(nested(waiting, "message") or reason).rpartition(": ErrImagePull: ")[2]
            reason = "ImagePullBackOff" if reason == "ErrImagePull" else reason
            return Fault(reason, f"pod {name}: {message}")
        if reason == _CRASH_LOOP or _crashed_lately(pod, item, now):
            return Fault(_CRASH_LOOP, f"pod {name} keeps crashing: {_last_words(item)}")
    for item in nested_list(pod, "status", "conditions"):
        if item.get("type") == "PodScheduled" and item.get("reason") == "Unschedulable":
            return Fault("Unschedulable", f"pod {name}: {item.get('message')}")
    return _slow_start(pod, now, warnings or {})


def init_failure(pod: Object) -> str | None:
    """What the init container of a pod that may not restart said last, if it failed."""
    for item in nested_list(pod, "status", "initContainerStatuses"):
        ended = nested(item, "state", "terminated")
        if ended and ended.get("exitCode") != 0:
            return f"init container {item.get('name')}: {_words_of(ended)}"
    return None


def _crashed_lately(pod: Object, status: Object, now: float) -> bool:
    """Whether a container that runs is between two crashes."""
    last = nested(status, "lastState", "terminated")
    if not last or last.get("exitCode") == 0 or int(status.get("restartCount") or 0) < _LOOP:
        return False
    if now - seconds_of(last.get("finishedAt")) > _FORGOTTEN_SECONDS:
        return False
    since = last_became_ready([pod])
    return not since or now - since < _STABLE_SECONDS


def _last_words(status: Object) -> str:
    return _words_of(nested(status, "lastState", "terminated") or {})


def _words_of(ended: Object) -> str:
    words = last_log_line(str(ended.get("message") or ""))
    if words:
        return words
    killed = ended.get("reason")
    cause = f"{killed}, " if killed and killed != "Error" else ""
    return f"{cause}exit code {ended.get('exitCode')}"


def seconds_without_container(pod: Object, now: float) -> float:
    """For how long a pod has been on its node without any container; 0 if it has one."""
    statuses = _statuses(pod)
    since = max(
        (
            seconds_of(item.get("lastTransitionTime"))
            for item in nested_list(pod, "status", "conditions")
            if (item.get("type"), item.get("status")) == ("PodScheduled", "True")
        ),
        default=0.0,
    )
    creating = bool(statuses) and all(
        nested(item, "state", "waiting", "reason") in _CREATING for item in statuses
    )
    return now - since if creating and since else 0.0


def _statuses(pod: Object) -> list[Object]:
    return [
        *nested_list(pod, "status", "initContainerStatuses"),
        *nested_list(pod, "status", "containerStatuses"),
    ]


def _slow_start(pod: Object, now: float, warnings: Mapping[str, str]) -> Fault | None:
    """Why a pod that is on a node has no containers yet: no field of its status says more."""
    seconds = seconds_without_container(pod, now)
    name = nested(pod, "metadata", "name")
    warning = warnings.get(str(nested(pod, "metadata", "uid")))
    if warning and seconds >= WARNED_SECONDS:
        return Fault("PodNotStarted", f"pod {name} has no container yet: {warning}")
    if seconds < SLOW_SECONDS:
        return None
    return Fault(
        "PodNotStarted",
        f"pod {name} has been on its node for {SLOW_SECONDS:g} s and more without a container; a "
        "volume's Secret or ConfigMap may be missing, or a large image may still be being pulled: "
        f"`kubectl describe pod {name}` says which",
    )


def last_log_line(log: str) -> str:
    """The last line of a log; if it is JSON, its message."""
    lines = log.strip().splitlines()
    if not lines:
        return ""
    try:
        message = nested(json.loads(lines[-1]), "message")
    except (ValueError, RecursionError):
        message = None
    return str(message or lines[-1])


def seconds_of(stamp: str | None) -> float:
    """A time of the API in seconds since the epoch; 0 if there is none."""
    try:
        return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
    except ValueError:
        return 0.0
