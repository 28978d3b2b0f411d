"""What the world looks like around one object, as plain values the planner can be given."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from chekov.store.port import SubscriptionRow
from chekov.store.postgres.inspect import StoreStatus
from chekov_operator.resources import Object, controller_uid, dig, objects

RETRY_SECONDS: Final = 60.0
"""Before what failed without a fault of the user's is tried again."""


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
        now: the time, in seconds since the epoch.
    """

    secret: Fault | None = None
    host: str | None = None
    found: StoreStatus | None = None
    unreachable: Fault | None = None
    jobs: Mapping[str, Object] = field(default_factory=dict[str, Object])
    pods: Sequence[Object] = ()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class BundleObserved:
    """Around a DomainBundle.

    Attributes:
        spec: as the user wrote it.
        store: the EventStore it names, if there is one.
        missing: what it refers to and is not there.
        modules: the code to mount, from the spec or the ConfigMap it names.
        children: everything it owns, by kind and name.
        pods: its pods, those of checks included.
        running: the revision that runs, or last ran.
        completed: the revision that was last rolled out completely.
        subscriptions: of its domain, as the store has them; `None` when nobody looked.
        head: the store's newest position when that was looked up.
        now: the time, in seconds since the epoch.
    """

    spec: Mapping[str, object] = field(default_factory=dict[str, object])
    store: Object | None = None
    missing: Sequence[Fault] = ()
    modules: Mapping[str, str] | None = None
    children: Mapping[tuple[str, str], Object] = field(
        default_factory=dict[tuple[str, str], Object]
    )
    pods: Sequence[Object] = ()
    running: str | None = None
    completed: str | None = None
    subscriptions: Sequence[SubscriptionRow] | None = None
    head: int = 0
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a Job stands.

    Attributes:
        finished: whether it will not change any more.
        succeeded: whether it ended well.
        message: what its container said at its end.
        stuck: why its pod cannot start, if it cannot.
        ended: when it ended, in seconds since the epoch; 0 when it did not or nobody knows.
    """

    finished: bool
    succeeded: bool
    message: str
    stuck: Fault | None
    ended: float = 0.0

    def is_due(self, now: float) -> bool:
        """Whether it is time to try what failed again."""
        return now - self.ended >= RETRY_SECONDS


def job_outcome(job: Object, pods: Sequence[Object]) -> JobOutcome:
    """Read a Job and its pods."""
    own = [pod for pod in pods if controller_uid(pod) == dig(job, "metadata", "uid")]
    true = {
        item["type"]: item
        for item in objects(job, "status", "conditions")
        if item["status"] == "True"
    }
    failed = true.get("Failed")
    # A container that ended says what it found; waiting for the Job's own status would cost time.
    ended = [item for pod in own for item in terminated(pod)]
    succeeded = "Complete" in true or any(item.get("exitCode") == 0 for item in ended)
    finished = succeeded or failed is not None or bool(ended)
    message = next((str(item["message"]) for item in reversed(ended) if item.get("message")), "")
    if not message and not succeeded:
        message = _end(failed, ended)
    stuck = None if finished else next((fault for pod in own if (fault := cannot_start(pod))), None)
    times = [dig(item, "finishedAt") for item in ended] + [dig(failed, "lastTransitionTime")]
    return JobOutcome(finished, succeeded, message, stuck, max(map(_seconds, times)))


def terminated(pod: Object) -> list[Object]:
    """The end of a pod's own container, if it has ended."""
    statuses = objects(pod, "status", "containerStatuses")
    # What was put beside it, such as a proxy, may run on.
    own = [item for item in statuses if item.get("name") in _OWN] or statuses
    return [ended for item in own if (ended := dig(item, "state", "terminated"))]


def newest_ready(pods: Sequence[Object]) -> float:
    """When a pod became ready most recently, in seconds since the epoch; 0 when none is."""
    return max(
        (
            _seconds(item.get("lastTransitionTime"))
            for pod in pods
            for item in objects(pod, "status", "conditions")
            if (item.get("type"), item.get("status")) == ("Ready", "True")
        ),
        default=0.0,
    )


def last_words(log: str) -> str:
    """The last line of a log; of a line in JSON its message."""
    lines = log.strip().splitlines()
    if not lines:
        return ""
    try:
        message = dig(json.loads(lines[-1]), "message")
    except ValueError:
        message = None
    return str(message or lines[-1])


def _seconds(stamp: str | None) -> float:
    try:
        return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
    except ValueError:
        return 0.0


def _end(failed: Object | None, ended: Sequence[Object]) -> str:
    if failed is not None:
        return str(failed.get("message") or failed.get("reason") or "")
    codes = [f"{item.get('reason') or 'Error'}, exit code {item.get('exitCode')}" for item in ended]
    return "; ".join(codes)


_OWN: Final = frozenset({"runtime", "migrate"})
_STUCK: Final = frozenset(
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


def cannot_start(pod: Object) -> Fault | None:
    """Why a pod does not start, if something is wrong with it."""
    name = dig(pod, "metadata", "name")
    for item in objects(pod, "status", "containerStatuses"):
        waiting = dig(item, "state", "waiting")
        reason = str(dig(waiting, "reason") or "")
        if reason in _STUCK:
            # The reason alternates between two tries; it is the same trouble.
            said = str(dig(waiting, "message") or reason).rpartition(": ErrImagePull: ")[2]
            reason = "ImagePullBackOff" if reason == "ErrImagePull" else reason
            return Fault(reason, f"pod {name}: {said}")
        if reason == "CrashLoopBackOff":
            ended = dig(item, "lastState", "terminated")
            said = last_words(str(dig(ended, "message") or ""))
            said = said or f"exit code {dig(ended, 'exitCode')}"
            return Fault(reason, f"pod {name} ends again and again: {said}")
    for item in objects(pod, "status", "conditions"):
        if item.get("type") == "PodScheduled" and item.get("reason") == "Unschedulable":
            return Fault("Unschedulable", f"pod {name}: {item.get('message')}")
    return None


def parse_check(said: str | None) -> Object | None:
    """What a check answered, if it is an answer."""
    try:
        answer = json.loads(said or "")
    except ValueError:
        return None
    return cast("Object", answer) if isinstance(answer, dict) and "ok" in answer else None
