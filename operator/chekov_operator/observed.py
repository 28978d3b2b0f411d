"""What the world looks like around one object, as plain values the planner can be given."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chekov.store.port import SubscriptionRow
from chekov.store.postgres.inspect import StoreStatus

from chekov_operator.resources import Object


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that keeps an object from being what its user wants.

    Attributes:
        reason: one word for machines; the set of them is part of the API.
        message: what was expected, what was found and what to do.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class StoreObserved:
    """Around an EventStore.

    Attributes:
        secret: why there is no DSN, if there is none.
        host: where the DSN points, without credentials.
        found: what the database says, if it answered.
        unreachable: why it did not.
        jobs: the migration Jobs, by name.
        pods: their pods.
    """

    secret: Fault | None = None
    host: str | None = None
    found: StoreStatus | None = None
    unreachable: Fault | None = None
    jobs: Mapping[str, Object] = field(default_factory=dict[str, Object])
    pods: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class BundleObserved:
    """Around a DomainBundle.

    Attributes:
        store: the EventStore it names, if there is one.
        missing: what it refers to and is not there.
        modules: the code to mount, from the spec or the ConfigMap it names.
        children: everything it owns, by kind and name.
        pods: its pods, those of checks included.
        subscriptions: of its domain, as the store has them; `None` when nobody looked.
        head: the store's newest position when that was looked up.
        database: host and port of the store.
    """

    store: Object | None = None
    missing: Sequence[Fault] = ()
    modules: Mapping[str, str] | None = None
    children: Mapping[tuple[str, str], Object] = field(
        default_factory=dict[tuple[str, str], Object]
    )
    pods: Sequence[Object] = ()
    subscriptions: Sequence[SubscriptionRow] | None = None
    head: int = 0
    database: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a Job stands.

    Attributes:
        finished: whether it will not change any more.
        succeeded: whether it ended well.
        message: what its container said at its end.
        stuck: why its pod cannot start, if it cannot.
    """

    finished: bool
    succeeded: bool
    message: str
    stuck: Fault | None


def job_outcome(job: Mapping[str, Any], pods: Sequence[Object]) -> JobOutcome:
    """Read a Job and its pods."""
    own = [pod for pod in pods if owner_uid(pod) == job["metadata"].get("uid")]
    status: Mapping[str, Any] = job.get("status") or {}
    true = {
        item["type"]: item for item in status.get("conditions") or () if item["status"] == "True"
    }
    failed = true.get("Failed")
    # A container that ended says what it found; waiting for the Job's own status would cost time.
    ended = [item for pod in own for item in terminated(pod)]
    succeeded = "Complete" in true or any(item.get("exitCode") == 0 for item in ended)
    finished = succeeded or failed is not None
    message = next((str(item["message"]) for item in reversed(ended) if item.get("message")), "")
    if not message and failed:
        message = str(failed.get("message") or failed.get("reason") or "")
    stuck = None if finished else next((fault for pod in own if (fault := cannot_start(pod))), None)
    return JobOutcome(finished, succeeded, message, stuck)


def terminated(pod: Mapping[str, Any]) -> list[Object]:
    """The end of each container of a pod that has ended."""
    statuses: Sequence[Object] = (pod.get("status") or {}).get("containerStatuses") or ()
    return [ended for item in statuses if (ended := (item.get("state") or {}).get("terminated"))]


_STUCK = frozenset(
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


def cannot_start(pod: Mapping[str, Any]) -> Fault | None:
    """Why a pod does not start, if something is wrong with it."""
    status: Mapping[str, Any] = pod.get("status") or {}
    name = pod["metadata"]["name"]
    for item in status.get("containerStatuses") or ():
        waiting = (item.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason")
        if reason in _STUCK:
            return Fault(str(reason), f"pod {name}: {waiting.get('message') or reason}")
        if reason == "CrashLoopBackOff":
            ended = (item.get("lastState") or {}).get("terminated") or {}
            said = str(ended.get("message") or "").strip() or f"exit code {ended.get('exitCode')}"
            return Fault("CrashLoopBackOff", f"pod {name} ends again and again: {said}")
    for item in status.get("conditions") or ():
        if item.get("type") == "PodScheduled" and item.get("reason") == "Unschedulable":
            return Fault("Unschedulable", f"pod {name}: {item.get('message')}")
    return None


def owner_uid(body: Mapping[str, Any]) -> str | None:
    """The uid of an object's controller."""
    owners: Sequence[Object] = body["metadata"].get("ownerReferences") or ()
    return next((str(item["uid"]) for item in owners if item.get("controller")), None)


def parse_check(text: str | None) -> Object | None:
    """What a check answered, if it is an answer."""
    try:
        value = json.loads(text or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) and "ok" in value else None
