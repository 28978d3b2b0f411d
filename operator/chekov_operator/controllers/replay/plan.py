"""The planner of Replays: whether to begin, and the status. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from chekov_operator.api.conditions import false, true
from chekov_operator.api.fault import RETRY_SECONDS, Fault
from chekov_operator.api.replay import Again, Discard, Replay, Retry
from chekov_operator.api.subscription import Subscription
from chekov_operator.controllers.plan import Plan, paused_plan
from chekov_operator.controllers.replay.observed import ObservedReplay
from chekov_operator.controllers.replay.progress import progress_of
from chekov_operator.kube.kinds import REPLAY
from chekov_operator.kube.objects import Object

LOOK_SECONDS: Final = 3.0
"""Between two looks at what is under way."""
_FINISHED: Final = ("Complete", "Failed")
_COUNTED: Final[Mapping[type, str]] = {Retry: "Retried", Discard: "Discarded", Again: "Replayed"}


def is_finished(status: Mapping[str, object]) -> bool:
    """Whether there is nothing left to do."""
    return status.get("phase") in _FINISHED


def has_begun(status: Mapping[str, object]) -> bool:
    """Whether it was carried out in the store, so that only its progress is left."""
    return bool(status.get("startedAt"))


def awaited(replay: Replay, observed: ObservedReplay) -> Fault | None:
    """What it waits for, such as a bundle that was applied together with it; `None` if nothing.

    Replays of one subscription wait for each other.
    """
    if observed.target is None:
        return Fault(
            "SubscriptionNotFound",
            f"there is no Subscription {replay.subscription!r} in the namespace "
            f"{replay.meta.namespace!r}; `kubectl get csub` lists them",
        )
    if has_begun(observed.status):
        return None
    if isinstance(replay.work, Again) and observed.bundle_fault:
        return Fault("BundleNotReady", observed.bundle_fault)
    if observed.others:
        return Fault(
            "ReplayRunning",
            f"the Replay {observed.others[0]!r} of this subscription is under way; this one begins "
            "after it",
        )
    return None


def refusal(replay: Replay, observed: ObservedReplay) -> Fault | None:
    """Why it can never begin; `None` if it can."""
    if not isinstance(replay.work, Again) or observed.target is None:
        return None
    return _not_replayable(replay.work, observed.target)


def plan_replay(replay: Replay, observed: ObservedReplay) -> Plan:
    """The status of a Replay, and when to look at it again."""
    if is_finished(observed.status):
        return _finished(replay, observed)
    if replay.meta.paused:
        return paused_plan()
    if not observed.is_read:
        # After a restart of the operator, what it said before holds until it has read again.
        return Plan(keep_status=True, requeue_after=LOOK_SECONDS)
    fault = observed.refused
    if fault is None and observed.done is None and not has_begun(observed.status):
        fault = refusal(replay, observed)
    if fault is not None:
        return _ended(observed, "Failed", fault.reason, fault.message)
    waits_for = awaited(replay, observed) if observed.done is None else None
    waits_for = waits_for or observed.unreachable
    if waits_for is not None:
        return Plan(
            status={"phase": "Pending", **_kept(observed.status)},
            conditions=[
                false("Complete", waits_for.reason, waits_for.message),
                false("Failed", "AsExpected"),
            ],
            # Nothing reports the end of another Replay to this one, and looking costs no request.
            requeue_after=LOOK_SECONDS if observed.others else RETRY_SECONDS,
        )
    return _under_way(replay, observed)


def _under_way(replay: Replay, observed: ObservedReplay) -> Plan:
    known = {**_kept(observed.status), **(observed.done or {})}
    if not has_begun(observed.status):
        known["startedAt"] = _stamp(observed.now)
    found = progress_of(replay, observed, known)
    status = {**known, **found.status}
    if found.failed is not None:
        return _ended(observed, "Failed", found.failed.reason, found.failed.message, status)
    if found.complete:
        reason = _COUNTED[type(replay.work)]
        return _ended(observed, "Complete", reason, found.message, status)
    return Plan(
        status={**status, "phase": "Running"},
        conditions=[false("Complete", "Running", found.message), false("Failed", "AsExpected")],
        read_store_soon=True,
        requeue_after=LOOK_SECONDS,
    )


def _not_replayable(work: Again, target: Subscription) -> Fault | None:
    if target.kind == "process":
        return Fault(
            "NotReplayable",
            f"{target.handler} is a process manager: a replay would send its commands again",
        )
    if target.kind == "handler" and work.beside:
        return Fault(
            "NotReplayable",
            f"{target.handler} is an event handler, which has no tables that could be built beside "
            "others; with spec.mode InPlace it handles the events again",
        )
    return None


def _ended(
    observed: ObservedReplay, phase: str, reason: str, message: str, status: Object | None = None
) -> Plan:
    kept = {**_kept(observed.status), **(status or {})}
    kept.pop("secondsLeft", None)
    conditions = (
        [true("Complete", reason, message), false("Failed", "AsExpected")]
        if phase == "Complete"
        else [false("Complete", reason, message), true("Failed", reason, message)]
    )
    return Plan(
        status={**kept, "phase": phase, "finishedAt": _stamp(observed.now)},
        conditions=conditions,
    )


def _finished(replay: Replay, observed: ObservedReplay) -> Plan:
    if replay.ttl_seconds is None:
        return Plan(keep_status=True)
    ended = datetime.fromisoformat(str(observed.status.get("finishedAt")))
    left = ended.timestamp() + replay.ttl_seconds - observed.now
    if left > 0:
        return Plan(keep_status=True, requeue_after=left)
    return Plan(keep_status=True, delete=[(REPLAY, replay.meta.name)])


def _kept(status: Mapping[str, object]) -> dict[str, Any]:
    return {
        name: value
        for name, value in status.items()
        if name not in ("conditions", "observedGeneration")
    }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
