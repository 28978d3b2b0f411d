"""A DomainBundle's conditions, and its phase. Pure.

`Ready` is about the current spec. It becomes false when a new revision is refused, even while the
last revision continues to serve: a tool that waits for `Ready` after a change must not be answered
by the old revision.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chekov.store.port import SubscriptionRow
from chekov_operator.api.conditions import Condition, false, true
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.fault import RETRY_SECONDS, Fault
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.gate import Gate
from chekov_operator.controllers.bundle.rollout import Rollout
from chekov_operator.controllers.bundle.rollout_state import UNDONE, RolloutState
from chekov_operator.controllers.bundle.rollout_transitions import CONNECTIONS
from chekov_operator.controllers.subscription_rows import fault_of_rows

_WAITING: Final = "waiting for a change"
_TO_BE_RETRIED: Final = f"it is tried again {RETRY_SECONDS:g} s after it ended"
_WAITING_FOR_CONNECTIONS: Final = "waiting for database connections"
_UNDECIDED: Final = ("Gating", "Returning")
"""States of a rollout that pass by themselves although it has a fault."""
_WAYS_OUT: Final = (
    "apply a revision that can serve, promote this one, or set spec.compatibility to Warn to go "
    "back all the same"
)


@dataclass(frozen=True, slots=True)
class BundleState:
    """Everything that the conditions are derived from.

    Attributes:
        bundle: the spec.
        subscriptions: those of the serving revision.
        check: of the revision that the spec asks for.
        gate: of the same.
        store_fault: why the store cannot be used, if so.
        serving: the revision of the Deployment, if there is one.
        rollout: of the revision that the spec asks for.
        cause: why its pods are being replaced, if the revision is not new.
        state: of the rollout, while one is under way or after one went back.
    """

    bundle: Bundle
    subscriptions: Sequence[SubscriptionRow]
    check: Check
    gate: Gate
    store_fault: str | None
    serving: str | None
    rollout: Rollout
    cause: str = ""
    state: RolloutState | None = None

    @property
    def went_back(self) -> Fault | None:
        """Why the revision that served before serves again, or should, if so."""
        if self.state is None or not self.state.gives_up or self.state.fault is None:
            return None
        state, fault = self.state, self.state.fault
        if state.state == "Gating":
            message = (
                f"revision {state.to} is to give its place back, because {fault.message}; first "
                f"revision {state.origin} is tried on what the store holds"
            )
            return Fault(fault.reason, message)
        if state.state == "Stalled":
            message = (
                f"revision {state.to} should give its place back, because {fault.message}; but "
                f"{state.gate}; {_WAYS_OUT}"
            )
            return Fault("CannotGoBack", message)
        words = f"; {state.gate}" if state.gate else ""
        message = f"revision {state.to} gave its place back, because {fault.message}{words}"
        return Fault(fault.reason, message)

    @property
    def fault(self) -> Fault | None:
        """Why the pods are not as wanted, if so."""
        timed_out = self.state.fault if self.state else None
        return self.went_back or timed_out or self.rollout.fault

    @property
    def waits_for_connections(self) -> bool:
        """Whether the rollout goes on once the server of the store has connections left."""
        fault = self.state.fault if self.state else None
        return fault is not None and fault.reason == CONNECTIONS

    @property
    def refusal(self) -> Fault | None:
        """Why the revision will not run until something changes."""
        return self.check.fault or self.gate.fault

    @property
    def pending(self) -> tuple[str, str] | None:
        """Reason and message of what comes before a rollout."""
        if self.check.result is None:
            return "Checking", self.check.condition.message
        if self.store_fault is not None:
            return "EventStoreNotReady", self.store_fault
        if not self.gate.passed:
            return self.gate.condition.reason, self.gate.condition.message
        return None

    @property
    def revision(self) -> str:
        return self.check.revision.name if self.check.revision else ""


def conditions(state: BundleState) -> list[Condition]:
    ready = _ready(state)
    stages = [state.check.condition, state.gate.condition]
    found = [ready, _progressing(state, ready), _degraded(state), *stages]
    stalled = state.state.fault if state.state and state.state.state not in _UNDECIDED else None
    if stalled is not None and state.fault is not None:
        # Tools that follow the usual conventions stop waiting then.
        found.append(true("Stalled", state.fault.reason, state.fault.message))
    return found


def phase(state: BundleState) -> str:
    """The state in one word."""
    if state.refusal is not None:
        return "Refused"
    if state.pending is not None:
        is_checked = state.check.result is not None
        return "Waiting" if is_checked and state.store_fault is not None else "Checking"
    if state.went_back is not None and state.state is not None:
        return state.state.state
    if state.rollout.done:
        if state.bundle.suspended:
            return "Suspended"
        return "Ready" if state.bundle.pods else "Stopped"
    if state.waits_for_connections:
        return "Stalled"
    if state.fault is not None or state.rollout.complete:
        return "Degraded"
    return "RollingOut"


def _ready(state: BundleState) -> Condition:
    fault = state.refusal
    if fault is not None:
        return false("Ready", fault.reason, _with_serving_revision(state, fault.message))
    if state.pending is not None:
        return false("Ready", *state.pending)
    revision, wanted = state.revision, state.bundle.pods
    if state.rollout.done and state.went_back is None:
        if state.bundle.suspended:
            return true("Ready", "Suspended", f"revision {revision} has no pods: suspend is set")
        if not wanted:
            return true("Ready", "Stopped", f"revision {revision} has no pods: replicas is 0")
        message = f"revision {revision} serves with {state.rollout.ready} of {wanted} pods"
        return true("Ready", "Serving", message)
    if state.fault is not None:
        message = _with_serving_revision(state, state.fault.message)
        return false("Ready", state.fault.reason, message)
    return false("Ready", *_rollout_state(state))


def _progressing(state: BundleState, ready: Condition) -> Condition:
    if ready.status == "True":
        return false("Progressing", "Complete", ready.message)
    if state.refusal is not None:
        is_retried = state.check.is_retried or state.gate.is_retried
        what = _TO_BE_RETRIED if is_retried else _WAITING
        return false("Progressing", state.refusal.reason, what)
    if state.state is not None and state.state.fault is not None:
        if state.state.state in _UNDECIDED:
            return true("Progressing", ready.reason, ready.message)
        what = _WAITING_FOR_CONNECTIONS if state.waits_for_connections else _WAITING
        return false("Progressing", ready.reason, what)
    if state.check.result is None:
        return true("Progressing", ready.reason, ready.message)
    if state.store_fault is not None:
        return true("Progressing", ready.reason, "waiting for the EventStore")
    if not state.gate.passed:
        return true("Progressing", ready.reason, ready.message)
    return true("Progressing", *_rollout_state(state))


def _degraded(state: BundleState) -> Condition:
    fault = state.refusal or state.fault
    # What a person asked for is no fault.
    if fault is not None and fault.reason != UNDONE:
        return true("Degraded", fault.reason, _with_serving_revision(state, fault.message))
    if state.check.result is not None and state.rollout.complete and not state.rollout.done:
        return true("Degraded", *_rollout_state(state))
    fault = fault_of_rows(state.subscriptions)
    if fault is not None:
        return true("Degraded", fault.reason, fault.message)
    return false("Degraded", "AsExpected", "no faults")


def _rollout_state(state: BundleState) -> tuple[str, str]:
    ready, wanted = state.rollout.ready, state.bundle.pods
    if state.rollout.complete:
        return "PodsNotReady", f"{ready} of {wanted} pods of revision {state.revision} are ready"
    why = f", because {state.cause}" if state.cause else ""
    message = f"revision {state.revision} is rolling out{why}; {ready} of {wanted} pods are ready"
    if state.state is not None and state.state.state == "Waiting":
        message = f"{message}, and the next step waits for its time"
    return "RollingOut", _with_serving_revision(state, message)


def _with_serving_revision(state: BundleState, message: str) -> str:
    is_other = state.serving not in (None, state.revision)
    others = [str(state.serving)] if is_other else list(state.rollout.others)
    if not others:
        return message
    continues = "continues" if len(others) == 1 else "continue"
    return f"{message}. Revision {' and '.join(others)} {continues} to serve"
