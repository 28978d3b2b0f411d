"""Which revision should have the pods of a bundle. Pure."""

from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import parse_store
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children.revision import Revision
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.deployments import stored_revision
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.revisions import known_result
from chekov_operator.kube.objects import condition_of, nested
from chekov_operator.settings import Settings


def target_revision(
    bundle: Bundle, observed: ObservedBundle, settings: Settings, check: Check
) -> Revision | None:
    """The revision that the spec asks for if it may run, or else the last one that did."""
    wanted = check.revision
    if wanted is not None and check.result is not None:
        runs_already = observed.running == wanted.name
        if runs_already or store_fault(bundle, observed) is None:
            return wanted
    if not nested(known_result(observed.children, observed.running), "ok"):
        return None
    try:
        store = parse_store(observed.store or {})
    except InvalidSpec:
        return None
    return stored_revision(observed.running, bundle, observed, store, settings)


def store_fault(bundle: Bundle, observed: ObservedBundle) -> str | None:
    """Why the store cannot be used, if so."""
    ready = condition_of(observed.store, "Ready")
    if ready.get("status") == "True":
        return None
    why = ready.get("message") or "the operator has not checked it yet"
    return f"EventStore {bundle.store!r} is not ready: {why}"
