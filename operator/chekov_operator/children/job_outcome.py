"""How a Job ended, read from the Job and its pods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chekov_operator.api.fault import RETRY_SECONDS, Fault
from chekov_operator.children.pod_state import (
    SLOW_SECONDS,
    WARNED_SECONDS,
    init_failure,
    seconds_of,
    seconds_without_container,
    start_fault,
    terminated,
)
from chekov_operator.kube.kinds import HASH_ANNOTATION
from chekov_operator.kube.objects import (
    Object,
    annotation,
    controller_uid,
    digest,
    nested,
    nested_list,
)

_MOST_EXPLAINED: Final = 3


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a Job ended, if it did.

    Attributes:
        finished: whether it will not change any more.
        succeeded: whether it succeeded.
        message: its container's termination message, or else why it failed.
        stuck: why its pod cannot start, if it cannot.
        ended: when it ended, in seconds since the epoch; 0 if it did not or that is unknown.
    """

    finished: bool
    succeeded: bool
    message: str
    stuck: Fault | None
    ended: float = 0.0

    def is_retry_due(self, now: float) -> bool:
        return now - self.ended >= RETRY_SECONDS


def job_outcome(
    job: Object,
    pods: Sequence[Object],
    now: float,
    warnings: Mapping[str, str] | None = None,
) -> JobOutcome:
    """How a Job ended, or why it cannot.

    Args:
        job: the Job.
        pods: its pods, and others.
        now: the time in seconds since the epoch.
        warnings: of Kubernetes, by the uid of what they are about.
    """
    own = _pods_of(job, pods)
    true = {
        item["type"]: item
        for item in nested_list(job, "status", "conditions")
        if item["status"] == "True"
    }
    failed = true.get("Failed")
    # The pod's status has the result some seconds before the Job's.
    ended = [item for pod in own for item in terminated(pod)]
    succeeded = "Complete" in true or any(item.get("exitCode") == 0 for item in ended)
    finished = succeeded or failed is not None or bool(ended)
    message = next((str(item["message"]) for item in reversed(ended) if item.get("message")), "")
    if not message and not succeeded:
        message = _failure(failed, ended, own)
    stuck = None if finished else _stuck(job, own, now, warnings or {})
    times = [nested(item, "finishedAt") for item in ended] + [nested(failed, "lastTransitionTime")]
    return JobOutcome(finished, succeeded, message, stuck, max(map(seconds_of, times)))


def ended_pod(job: Object, pods: Sequence[Object]) -> str | None:
    """The name of a Job's pod whose container has ended."""
    ended = (pod for pod in reversed(_pods_of(job, pods)) if terminated(pod))
    return next((str(nested(pod, "metadata", "name")) for pod in ended), None)


def is_outdated(job: Object, wanted: Object) -> bool:
    """Whether a Job, which is immutable, is not as the spec has come to ask for it."""
    applied = annotation(job, HASH_ANNOTATION)
    return applied is not None and applied != digest(wanted)


def _pods_of(job: Object, pods: Sequence[Object]) -> list[Object]:
    return [pod for pod in pods if controller_uid(pod) == nested(job, "metadata", "uid")]


def uids_to_explain(jobs: Iterable[Object], pods: Sequence[Object], now: float) -> Sequence[str]:
    """The Jobs without pods and the pods without containers, of which only Events say why."""
    found = [job for job in jobs if _seconds_without_pod(job, pods, now) >= WARNED_SECONDS]
    found += [pod for pod in pods if seconds_without_container(pod, now) >= WARNED_SECONDS]
    # Many have one cause.
    return [str(nested(body, "metadata", "uid")) for body in found[:_MOST_EXPLAINED]]


def _seconds_without_pod(job: Object, pods: Sequence[Object], now: float) -> float:
    created = seconds_of(nested(job, "metadata", "creationTimestamp"))
    has_ended = any(item["status"] == "True" for item in nested_list(job, "status", "conditions"))
    if not created or has_ended or nested(job, "status", "active") or _pods_of(job, pods):
        return 0.0
    return now - created


def _stuck(
    job: Object, own: Sequence[Object], now: float, warnings: Mapping[str, str]
) -> Fault | None:
    fault = next((fault for pod in own if (fault := start_fault(pod, now, warnings))), None)
    seconds = _seconds_without_pod(job, own, now)
    if fault is not None or seconds < WARNED_SECONDS:
        return fault
    name = nested(job, "metadata", "name")
    warning = warnings.get(str(nested(job, "metadata", "uid")))
    if warning:
        return Fault("PodNotCreated", f"the Job {name} has no pod: {warning}")
    if seconds < SLOW_SECONDS:
        return None
    return Fault(
        "PodNotCreated",
        f"the Job {name} has had no pod for {SLOW_SECONDS:g} s and more; a LimitRange or a quota "
        "may allow less memory or CPU, or Pod Security may forbid it: "
        f"`kubectl describe job {name}` says which",
    )


def _failure(failed: Object | None, ended: Sequence[Object], own: Sequence[Object]) -> str:
    init = next((words for pod in own if (words := init_failure(pod))), None)
    if init:
        return init
    if failed is not None:
        return str(failed.get("message") or failed.get("reason") or "")
    codes = [f"{item.get('reason') or 'Error'}, exit code {item.get('exitCode')}" for item in ended]
    return "; ".join(codes)
