"""What a DomainBundle says about itself: its conditions, and its state in one word. Pure.

`Ready` is about the spec as it is now. A new revision that is refused makes it false even while the
last one goes on serving: who waits for `Ready` after a change must not be told yes.
"""

from dataclasses import dataclass

from chekov_operator.api import Bundle
from chekov_operator.conditions import Condition, false, true
from chekov_operator.observed import BundleObserved, Fault
from chekov_operator.rollout import Rollout
from chekov_operator.verdict import Verdict

_WAITING = "it waits for a change"


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the conditions are made from.

    Attributes:
        bundle: what is wanted.
        seen: what is.
        verdict: on the revision that is asked for.
        store_fault: why the store cannot be used, if it cannot.
        serving: the revision whose pods are there, if there are any.
        rollout: how far the revision that is asked for is rolled out.
    """

    bundle: Bundle
    seen: BundleObserved
    verdict: Verdict
    store_fault: str | None
    serving: str | None
    rollout: Rollout


def conditions(now: Situation) -> list[Condition]:
    """Everything that holds."""
    ready = _ready(now)
    return [ready, _progressing(now, ready), _degraded(now), now.verdict.checked]


def phase(now: Situation) -> str:
    """The state in one word."""
    if now.verdict.fault is not None:
        return "Refused"
    if now.verdict.result is None:
        return "Checking"
    if now.store_fault is not None:
        return "Waiting"
    if now.rollout.done:
        return "Ready" if now.bundle.replicas else "Stopped"
    if now.rollout.fault is not None or now.rollout.complete:
        return "Degraded"
    return "RollingOut"


def _ready(now: Situation) -> Condition:
    fault = now.verdict.fault
    if fault is not None:
        return false("Ready", fault.reason, _and_what_serves(now, fault.message))
    if now.verdict.result is None:
        return false("Ready", "Checking", now.verdict.checked.message)
    if now.store_fault is not None:
        return false("Ready", "EventStoreNotReady", now.store_fault)
    revision, wanted = _revision(now), now.bundle.replicas
    if now.rollout.done:
        if not wanted:
            return true("Ready", "Stopped", f"revision {revision} runs no pods, as replicas says")
        message = f"revision {revision} serves with {now.rollout.ready} of {wanted} pods"
        return true("Ready", "Serving", message)
    fault = now.rollout.fault
    if fault is not None:
        return false("Ready", fault.reason, fault.message)
    return false("Ready", *_under_way(now))


def _progressing(now: Situation, ready: Condition) -> Condition:
    if ready.status == "True":
        return false("Progressing", "Complete", ready.message)
    if now.verdict.fault is not None:
        return false("Progressing", now.verdict.fault.reason, _WAITING)
    if now.rollout.fault is not None and now.rollout.fault.reason == "RolloutTimedOut":
        return false("Progressing", now.rollout.fault.reason, _WAITING)
    if now.verdict.result is None:
        return true("Progressing", ready.reason, ready.message)
    if now.store_fault is not None:
        return true("Progressing", ready.reason, "it waits for its EventStore")
    return true("Progressing", *_under_way(now))


def _degraded(now: Situation) -> Condition:
    fault = now.verdict.fault or now.rollout.fault
    if fault is not None:
        return true("Degraded", fault.reason, _and_what_serves(now, fault.message))
    if now.verdict.result is not None and now.rollout.complete and not now.rollout.done:
        return true("Degraded", *_under_way(now))
    fault = _subscription_fault(now.seen)
    if fault is not None:
        return true("Degraded", fault.reason, fault.message)
    return false("Degraded", "AsExpected", "nothing is wrong")


def _subscription_fault(seen: BundleObserved) -> Fault | None:
    rows = seen.subscriptions or ()
    stopped = [f"{row.key.name}: {row.error}" for row in rows if row.state == "stopped"]
    if stopped:
        return Fault("SubscriptionStopped", f"stopped subscriptions: {'; '.join(stopped)}")
    parked = sum(row.parked for row in rows)
    if parked:
        names = ", ".join(row.key.name for row in rows if row.parked)
        return Fault("EventsParked", f"{parked} events are set aside by {names}")
    return None


def _under_way(now: Situation) -> tuple[str, str]:
    ready, wanted = now.rollout.ready, now.bundle.replicas
    if now.rollout.complete:
        return "PodsNotReady", f"{ready} of {wanted} pods of revision {_revision(now)} are ready"
    return "RollingOut", f"revision {_revision(now)} is rolling out; {ready} pods are ready"


def _revision(now: Situation) -> str:
    return now.verdict.target.revision if now.verdict.target else ""


def _and_what_serves(now: Situation, message: str) -> str:
    if now.serving is None or now.serving == _revision(now):
        return message
    return f"{message}. Revision {now.serving} goes on serving"
