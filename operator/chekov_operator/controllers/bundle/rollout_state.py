"""How far a rollout is, and whether it goes on or back. Pure.

The state is stored in the bundle's status, and the next one follows from it and from what is there
now. So nothing is lost when the operator restarts, and a person sees all that it decides by.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.fault import Fault
from chekov_operator.children.pod_state import seconds_of
from chekov_operator.controllers.bundle.connections import (
    LOOK_SECONDS,
    Connections,
    connections_in,
)
from chekov_operator.controllers.bundle.pod_counts import Pods
from chekov_operator.kube.objects import Object, nested

UNDONE: Final = "Undone"
ANSWER_SECONDS: Final = 120.0
"""For how long a rollout that is to go back waits for the gate, which reads for 60 s at most."""

State = Literal["Growing", "Waiting", "Held", "Gating", "Stalled", "Returning", "Returned"]


@dataclass(frozen=True, slots=True)
class RolloutState:
    """How far a rollout is.

    Attributes:
        to: the revision that takes over: the one that the spec asks for, or asked for before while
            the next one may not run yet.
        origin: the revision that served before, to which it would go back; `None` if none did.
        attempt: a digest of the spec; with another one, a revision that went back is tried again.
        replicas: the number of wanted pods.
        step: how many steps are behind it.
        state: whether its pods are growing or waiting in the pause of a step; or stay as they are
            while the spec asks for no pods, for a revision that may not run yet, or for something
            that does not exist, such as a Secret; or it is to give its place back, and `origin` is
            being tried on what is stored, or has failed there; or the pods of `origin` are taking
            over again, or have done so.
        since: when the state or the step began, in seconds since the epoch.
        progress: how far the pods were at best.
        progressed: when they came that far.
        fault: why it went back or is to, or does not go on.
        served: whether it, or another revision since `origin`, may have stored something.
        gate: what speaks against going back, in the words of the gate of `origin`.
        awaited: the connections of the server that are missing for its next pod, if it waits.
        kept: the number of its pods for as long as all stay as they are.
    """

    to: str
    origin: str | None
    attempt: str
    replicas: int
    since: float
    progressed: float
    step: int = 0
    state: State = "Growing"
    progress: int = 0
    fault: Fault | None = None
    served: bool = False
    gate: str = ""
    awaited: Connections | None = None
    kept: int = 0

    @property
    def is_back(self) -> bool:
        """Whether the revision that served before should have all pods."""
        return self.state in ("Returning", "Returned")

    @property
    def is_held(self) -> bool:
        """Whether all pods stay as they are."""
        return self.state in ("Held", "Gating", "Stalled")

    @property
    def gives_up(self) -> bool:
        """Whether it went back, or is to."""
        return self.is_back or self.state in ("Gating", "Stalled")

    @property
    def occasion(self) -> str:
        """What tells this return from any other; it is the same after a restart."""
        return f"{self.to} {self.origin} {_stamp(self.since)}"


def held_share(state: RolloutState, bundle: Bundle) -> int:
    """How many pods the new revision has while all stay as they are.

    Pods that were all of its own are so too after a change of their number.
    """
    return bundle.pods if state.kept >= state.replicas else min(state.kept, bundle.pods)


def share_of(state: RolloutState | None, bundle: Bundle) -> int:
    """How many pods the new revision should have for now."""
    stages = stages_of(state, bundle)
    return stages[state.step][0] if state and state.step < len(stages) else bundle.pods


def wait_of(state: RolloutState | None, bundle: Bundle, now: float) -> float | None:
    """Seconds until the state may change without a change of anything else."""
    if state is not None and state.state == "Gating":
        return max(0.5, state.since + ANSWER_SECONDS - now)
    if state is not None and state.awaited is not None:
        return LOOK_SECONDS
    if state is None or state.fault is not None or state.is_held:
        return None
    stages = stages_of(state, bundle)
    if state.state == "Waiting" and state.step < len(stages):
        return max(0.5, state.since + stages[state.step][1] - now)
    return max(0.5, state.progressed + bundle.rollout.deadline - now)


def to_status(state: RolloutState, bundle: Bundle, pods: Mapping[str, Pods]) -> Object:
    """The state as the bundle's status has it."""
    stages = stages_of(state, bundle)
    share = 0 if state.is_back else share_of(state, bundle)
    if state.is_held:
        share = held_share(state, bundle)
    percent = round(100 * share / bundle.pods) if bundle.pods else 0
    found: Object = {
        "to": state.to,
        "attempt": state.attempt,
        "replicas": state.replicas,
        "state": state.state,
        "step": min(state.step + 1, len(stages) + 1),
        "steps": len(stages) + 1,
        "share": percent,
        "pods": f"{pods.get(state.to, Pods(0, 0)).ready}/{bundle.pods}",
        "since": _stamp(state.since),
        "progress": state.progress,
        "progressTime": _stamp(state.progressed),
        "served": state.served,
    }
    if state.is_held:
        found["kept"] = state.kept
    if state.origin:
        found["from"] = state.origin
    if state.fault:
        found |= {"reason": state.fault.reason, "message": state.fault.message}
    if state.gate:
        found["gate"] = state.gate
    if state.awaited:
        found["connections"] = asdict(state.awaited)
    return found


def from_status(found: Object | None) -> RolloutState | None:
    """The state that `rollout` of a bundle's status has; `None` if it has none."""
    if found is None or not found.get("to") or found.get("state") not in get_args(State):
        return None
    reason = nested(found, "reason")
    return RolloutState(
        to=str(found["to"]),
        origin=nested(found, "from"),
        attempt=str(nested(found, "attempt")),
        replicas=int(nested(found, "replicas") or 0),
        since=seconds_of(nested(found, "since")),
        progressed=seconds_of(nested(found, "progressTime")),
        step=int(nested(found, "step") or 1) - 1,
        state=found["state"],
        progress=int(nested(found, "progress") or 0),
        fault=Fault(str(reason), str(nested(found, "message"))) if reason else None,
        # An older operator did not write down whether the revision had served.
        served=nested(found, "served") is not False,
        gate=str(nested(found, "gate") or ""),
        awaited=connections_in(found),
        kept=int(nested(found, "kept") or 0),
    )


def stages_of(state: RolloutState | None, bundle: Bundle) -> list[tuple[int, float]]:
    """The steps, which only a revision has that takes over from another one."""
    if state is None or state.origin is None:
        return []
    # While the bundle is suspended, those of the number that it had: it goes on among them.
    return bundle.rollout.stages(bundle.pods or state.replicas)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
