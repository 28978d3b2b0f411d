"""Which revision should have the pods of a bundle. Pure."""

from collections.abc import Iterable, Iterator

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import parse_store
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children.revision import Revision
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.comparison import Comparison, compare
from chekov_operator.controllers.bundle.connections import connections_of
from chekov_operator.controllers.bundle.deployments import pods_by_revision, stored_revision
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import deployments, known_result, records
from chekov_operator.controllers.bundle.rollout import Rollout
from chekov_operator.controllers.bundle.rollout_state import RolloutState, from_status
from chekov_operator.controllers.bundle.rollout_transitions import (
    Situation,
    next_state,
    superseded,
)
from chekov_operator.kube.objects import condition_of, nested
from chekov_operator.settings import Settings


def state_of_rollout(
    bundle: Bundle, observed: ObservedBundle, check: Check, rollout: Rollout, *, gated: bool
) -> RolloutState | None:
    """How far a rollout is; `None` if there is none.

    It is that of the revision that the spec asks for, or of the one before while that may not run.
    """
    before = from_status(observed.rollout)
    # It cannot be determined while something that the spec names is missing.
    wanted = check.revision.name if check.revision else None
    if wanted is not None and may_run(bundle, observed, check, gated=gated):
        origin = _origin(observed, wanted)
        return next_state(before, _situation(bundle, observed, wanted, origin, rollout))
    if before is None or before.to == wanted:
        return before
    now = _situation(bundle, observed, before.to, before.origin, rollout)
    return superseded(before, wanted, now)


def _situation(
    bundle: Bundle, observed: ObservedBundle, to: str, origin: str | None, rollout: Rollout
) -> Situation:
    return Situation(
        bundle=bundle,
        spec=observed.spec,
        to=to,
        origin=origin,
        is_new=observed.completed != to,
        rollout=rollout,
        pods=pods_by_revision(observed),
        is_store_ready=store_fault(bundle, observed) is None,
        comparison=_comparison(bundle, observed, to, origin),
        has_executed=any(item.revision == to and item.commands for item in observed.figures),
        is_gated=bundle.compatibility != "Skip" and not is_empty(observed),
        now=observed.now,
        connections=connections_of(bundle, observed),
        is_store_read=observed.is_store_read,
    )


def target_revision(
    bundle: Bundle,
    observed: ObservedBundle,
    settings: Settings,
    check: Check,
    state: RolloutState | None,
    *,
    gated: bool,
) -> Revision | None:
    """The revision that the spec asks for if it may run, or else one that did.

    Amid a rollout that is the newer one if all pods are to stay as they are: `superseded`.
    """
    if state is not None and state.is_back:
        return origin_revision(bundle, observed, settings, state)
    if may_run(bundle, observed, check, gated=gated):
        return check.revision
    held = state.to if state is not None and state.is_held else None
    for name in (held, _completed_with_pods(observed), observed.running):
        if nested(known_result(observed.children, name), "ok"):
            return _stored(name, bundle, observed, settings)
    return None


def origin_revision(
    bundle: Bundle, observed: ObservedBundle, settings: Settings, state: RolloutState
) -> Revision | None:
    """The revision to which a rollout goes back; `None` if it cannot be used."""
    return _stored(state.origin, bundle, observed, settings)


def is_compared(bundle: Bundle, state: RolloutState | None) -> bool:
    """Whether the figures of two revisions are compared now."""
    if state is None or state.origin is None or state.is_back or state.is_held:
        return False
    return bundle.rollout.abort is not None


def may_run(bundle: Bundle, observed: ObservedBundle, check: Check, *, gated: bool) -> bool:
    """Whether the revision that the spec asks for may have pods.

    Args:
        bundle: the spec.
        observed: what there is.
        check: of the revision.
        gated: whether it can work with what is stored.
    """
    if check.revision is None or check.result is None:
        return False
    if observed.running == check.revision.name:
        return True
    return gated and store_fault(bundle, observed) is None


def is_empty(observed: ObservedBundle) -> bool:
    """Whether the store holds no events, as far as is known."""
    return nested(observed.store, "status", "position") in (None, 0)


def store_fault(bundle: Bundle, observed: ObservedBundle) -> str | None:
    """Why the store cannot be used, if so."""
    ready = condition_of(observed.store, "Ready")
    if ready.get("status") == "True":
        return None
    why = ready.get("message") or "the operator has not checked it yet"
    return f"EventStore {bundle.store!r} is not ready: {why}"


def _stored(
    name: str | None, bundle: Bundle, observed: ObservedBundle, settings: Settings
) -> Revision | None:
    try:
        store = parse_store(observed.store or {})
    except InvalidSpec:
        return None
    return stored_revision(name, bundle, observed, store, settings)


def _completed_with_pods(observed: ObservedBundle) -> str | None:
    """The revision that was last rolled out completely, while a rollout has left it pods."""
    live = deployments(observed.children).get(observed.completed or "")
    return observed.completed if nested(live, "spec", "replicas") else None


def _origin(observed: ObservedBundle, wanted: str) -> str | None:
    """The last good revision, to which a rollout of the wanted one would go back."""
    stored = records(observed.children)
    usable = [
        name
        for name in stored
        if name != wanted and nested(known_result(observed.children, name), "ok")
    ]
    if observed.completed in usable:
        return observed.completed
    completed = [name for name in usable if nested(stored[name], "status", "completed") is True]
    if completed:
        return max(completed, key=lambda name: int(nested(stored[name], "spec", "number") or 0))
    return next(_serving(observed, usable), None)


def _serving(observed: ObservedBundle, revisions: Iterable[str]) -> Iterator[str]:
    pods = pods_by_revision(observed)
    return (name for name in revisions if name in pods and pods[name].ready)


def _comparison(
    bundle: Bundle, observed: ObservedBundle, wanted: str, origin: str | None
) -> Comparison | None:
    """How the commands of the new revision fare beside those of the old one, if that matters."""
    abort = bundle.rollout.abort
    if abort is None or origin is None:
        return None
    return compare(
        observed.figures_before, observed.figures, serving=origin, candidate=wanted, abort=abort
    )
