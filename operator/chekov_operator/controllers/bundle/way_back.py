"""Whether a rollout that is to go back may do so: the gate of the old revision says it. Pure."""

from dataclasses import replace

from chekov_operator.api.conditions import unknown
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children.revision import Revision
from chekov_operator.controllers.bundle.gate import TYPE, Gate, gate_of
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.rollout_state import ANSWER_SECONDS, RolloutState


def gate_backwards(
    bundle: Bundle, observed: ObservedBundle, state: RolloutState | None, origin: Revision | None
) -> Gate | None:
    """The gate of the revision to which a rollout is to go back; `None` if nothing is asked.

    Args:
        bundle: the spec.
        observed: what there is.
        state: of the rollout.
        origin: the revision, if it can be used.
    """
    if state is None or state.state != "Gating":
        return None
    if origin is None:
        message = f"revision {state.origin} cannot be made from what is stored of it"
        return Gate(unknown(TYPE, "RevisionUnusable", message))
    return gate_of(bundle, origin, observed, state.occasion)


def with_answer(state: RolloutState | None, gate: Gate | None, now: float) -> RolloutState | None:
    """The state of a rollout after what the gate backwards has said so far.

    To stay is a sure harm for what is to go back, so a gate that cannot say anything does not hold
    it for ever.
    """
    if state is None or gate is None:
        return state
    if gate.passed:
        words = "" if gate.condition.status == "True" else gate.condition.message
        return replace(state, state="Returning", since=now, gate=words)
    if gate.condition.status == "False":
        return replace(state, state="Stalled", since=now, gate=gate.condition.message)
    if now - state.since < ANSWER_SECONDS:
        return state
    words = f"its gate gave no answer within {ANSWER_SECONDS:g} s: {gate.condition.message}"
    return replace(state, state="Returning", since=now, gate=words)
