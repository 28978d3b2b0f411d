"""How a rollout goes on or back, from its state and from what is there now. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.fault import Fault
from chekov_operator.controllers.bundle.comparison import Comparison
from chekov_operator.controllers.bundle.connections import Connections
from chekov_operator.controllers.bundle.pod_counts import Limits, Pods
from chekov_operator.controllers.bundle.rollout import Rollout
from chekov_operator.controllers.bundle.rollout_state import (
    UNDONE,
    RolloutState,
    State,
    share_of,
    stages_of,
)
from chekov_operator.kube.kinds import UNDO_ANNOTATION
from chekov_operator.kube.objects import digest

SHORTAGE_SECONDS: Final = 15.0
"""How long connections have to be missing before the rollout is reported as stalled.

Those of a pod that was replaced are closed when it has drained, a moment after the next is due.
"""
CONNECTIONS: Final = "Connections"
_UNRELATED: Final = ("replicas", "suspend", "autoscaling", "compatibility")
"""Fields of a spec; when only these change, a revision that went back is not tried again."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rollout depends on.

    Attributes:
        bundle: the spec.
        spec: as the user wrote it.
        to: the revision that the spec asks for.
        origin: the revision that could serve in its place.
        is_new: whether it takes over from `origin`, rather than having served already.
        rollout: of `to`.
        pods: of each revision.
        is_store_ready: whether pods could become ready.
        comparison: of both revisions, if they were compared.
        has_executed: whether `to` has executed commands, as far as is known.
        is_gated: whether `origin` has to be tried on what `to` stored before it serves again.
        connections: those of the server, if they are known.
        is_store_read: whether the store has been read since the operator started.
        now: in seconds since the epoch.
    """

    bundle: Bundle
    spec: Mapping[str, object]
    to: str
    origin: str | None
    is_new: bool
    rollout: Rollout
    pods: Mapping[str, Pods]
    is_store_ready: bool
    comparison: Comparison | None
    has_executed: bool
    is_gated: bool
    now: float
    connections: Connections | None = None
    is_store_read: bool = True

    @property
    def attempt(self) -> str:
        return digest({name: value for name, value in self.spec.items() if name not in _UNRELATED})

    @property
    def is_promoted(self) -> bool:
        return self.bundle.promoted == self.to

    @property
    def is_undone(self) -> bool:
        return self.bundle.undone == self.to and self.origin is not None

    @property
    def ready(self) -> int:
        return self.pods.get(self.to, Pods(0, 0)).ready

    @property
    def has_served(self) -> bool:
        return self.ready > 0 or self.has_executed or not self.is_new

    @property
    def progress(self) -> int:
        """How far the pods are: it grows with each step on the way to the end."""
        others = sum(pods.wanted for name, pods in self.pods.items() if name != self.to)
        return self.ready + self.rollout.updated - others


def next_state(before: RolloutState | None, now: Situation) -> RolloutState | None:
    """The state of the rollout; `None` if there is none under way and none went back."""
    known = before if before is not None and before.to == now.to else None
    if now.is_undone:
        return _giving_up(known or _begun(now), _undone(now), now)
    if known is not None and known.gives_up and not now.is_promoted:
        is_by_itself = known.fault is not None and known.fault.reason != UNDONE
        if is_by_itself and now.origin is not None and known.attempt == now.attempt:
            return _giving_up(known, known.fault, now)
    if not now.bundle.pods:
        # What it may have stored is not forgotten, and it goes on from there.
        return _suspended(known, now) if known and known.origin and now.is_new else None
    if now.rollout.complete:
        return None
    if known is None or known.gives_up:
        known = replace(_begun(now), served=_has_served_since_origin(before, now))
    return _forward(known, now)


def superseded(before: RolloutState, wanted: str | None, now: Situation) -> RolloutState | None:
    """The state of a rollout while the spec asks for another revision, which may not run yet.

    Nothing moves while that one cannot be determined, or if something was stored meanwhile that the
    last good revision might not read, as nobody has asked its gate; else that takes all pods in
    that time. A return goes on.

    Args:
        before: the state of the rollout.
        wanted: the revision that the spec asks for; `None` if that cannot be determined.
        now: the situation of the revision that was being rolled out.
    """
    if before.is_back:
        return _going_back(before, before.fault, now)
    may_have_stored = now.is_gated and (before.served or now.has_served)
    if wanted is not None and not may_have_stored:
        return None
    # Its gate asks the same, for what will be its own rollout.
    is_asked_for = wanted is not None and wanted == before.origin
    if now.is_undone and not is_asked_for:
        return _giving_up(before, _undone(now), now)
    if before.gives_up and not is_asked_for:
        return before
    return _held(before, "Held", now)


def _begun(now: Situation) -> RolloutState:
    return RolloutState(
        to=now.to,
        origin=now.origin if now.is_new else None,
        attempt=now.attempt,
        replicas=now.bundle.pods,
        since=now.now,
        progressed=now.now,
        progress=now.progress,
    )


def _forward(known: RolloutState, now: Situation) -> RolloutState:
    asked = (known.attempt, known.replicas)
    known = replace(
        known,
        origin=now.origin if now.is_new else None,
        attempt=now.attempt,
        replicas=now.bundle.pods,
        served=known.served or now.has_served,
    )
    is_changed = known.state == "Held" or asked != (known.attempt, known.replicas)
    if now.progress > known.progress or is_changed or not now.is_store_ready:
        known = replace(known, progress=now.progress, progressed=now.now, fault=None)
    if now.is_promoted:
        known = replace(known, step=len(stages_of(known, now.bundle)), state="Growing")
    elif known.origin is not None and now.comparison is not None and now.comparison.is_worse:
        fault = Fault("WorseThanBefore", f"it was worse: {now.comparison.message}")
        return _giving_up(known, fault, now)
    stages = stages_of(known, now.bundle)
    if known.step < len(stages) and now.ready >= stages[known.step][0]:
        return _waiting(known, stages[known.step][1], now)
    known = _awaiting(replace(known, state="Growing"), now)
    deadline = now.bundle.rollout.deadline
    if known.awaited is not None or now.now - known.progressed < deadline:
        return known
    cause = f": {now.rollout.fault.message}" if now.rollout.fault else ""
    message = f"it did not become ready in time, within {deadline:g} s without progress{cause}"
    fault = known.fault or Fault("RolloutTimedOut", message)
    if known.origin is None or now.is_promoted:
        return replace(known, fault=fault)
    return _giving_up(known, fault, now)


def _awaiting(known: RolloutState, now: Situation) -> RolloutState:
    """The state with the connections that its next pod waits for; that time is not its own."""
    # Until the server answers, it has no more than before.
    is_known = now.is_store_read and now.is_store_ready
    awaited = _missing(known, now) if is_known else known.awaited
    if awaited is None:
        if known.awaited is None:
            return known
        fault = None if known.fault and known.fault.reason == CONNECTIONS else known.fault
        return replace(known, awaited=None, fault=fault, progressed=now.now)
    if now.now - known.progressed < min(SHORTAGE_SECONDS, now.bundle.rollout.deadline):
        return replace(known, awaited=awaited)
    message = (
        f"the next pod of revision {known.to} may take {awaited.needed} database connections, but "
        f"EventStore {now.bundle.store!r} has {awaited.left} left of {awaited.limit}; "
        "the rollout goes on by itself once enough are free"
    )
    return replace(known, awaited=awaited, fault=Fault(CONNECTIONS, message))


def _missing(known: RolloutState, now: Situation) -> Connections | None:
    """The connections of the server, if they do not suffice for the next pod."""
    if now.connections is None or now.is_promoted:
        return None
    pods, rollout = now.bundle.pods, now.bundle.rollout
    share = share_of(known, now.bundle)
    limits = Limits(pods, rollout.surge(pods), rollout.unavailable(pods), share)
    return now.connections if now.connections.are_short(now.to, now.pods, limits) else None


def _waiting(known: RolloutState, pause: float, now: Situation) -> RolloutState:
    """The state at the end of a step, whose pods are ready."""
    since = known.since if known.state == "Waiting" else now.now
    waiting = replace(
        known, state="Waiting", since=since, progressed=now.now, fault=None, awaited=None
    )
    if now.now - since < pause:
        return waiting
    return replace(waiting, state="Growing", step=known.step + 1, since=now.now)


def _giving_up(known: RolloutState, fault: Fault | None, now: Situation) -> RolloutState:
    """The state of a rollout that is to go back, as soon as the old code may read what is there."""
    served = known.served or now.has_served
    known = replace(known, fault=fault, served=served, awaited=None)
    if known.is_back or not (known.served and now.is_gated):
        return _going_back(known, fault, now)
    is_asked = known.state == "Gating"
    is_refused = known.state == "Stalled" and now.bundle.compatibility == "Enforce"
    if known.origin == now.origin and (is_asked or is_refused):
        return known
    return _held(replace(known, origin=now.origin, gate=""), "Gating", now)


def _held(known: RolloutState, state: State, now: Situation) -> RolloutState:
    """The state in which all pods stay as they are."""
    if known.state == state:
        return known
    pods = now.pods.get(known.to, Pods(0, 0)).wanted
    kept = known.kept if known.is_held else pods
    return replace(
        known,
        state=state,
        since=now.now,
        kept=kept,
        fault=None if state == "Held" else known.fault,
        gate="",
        awaited=None,
        served=known.served or now.has_served,
    )


def _suspended(known: RolloutState, now: Situation) -> RolloutState:
    """The state while the spec asks for no pods; what went back begins again at its first step."""
    return _held(replace(known, step=0) if known.gives_up else known, "Held", now)


def _undone(now: Situation) -> Fault:
    return Fault(UNDONE, f"the annotation {UNDO_ANNOTATION} names revision {now.to}")


def _has_served_since_origin(before: RolloutState | None, now: Situation) -> bool:
    """Whether a revision may have stored something whose place another one takes amid a rollout."""
    if before is None or before.is_back or before.origin != now.origin:
        return False
    return before.served


def _going_back(known: RolloutState, fault: Fault | None, now: Situation) -> RolloutState:
    origin = now.pods.get(now.origin or "", Pods(0, 0))
    # Pods that are no longer wanted serve until the Deployment's controller has ended them.
    others = any(pods.wanted or pods.ready for name, pods in now.pods.items() if name != now.origin)
    is_back = origin.ready >= now.bundle.pods and not others
    state: State = "Returned" if is_back else "Returning"
    since = known.since if known.state == state else now.now
    return replace(known, origin=now.origin, state=state, since=since, fault=fault)
