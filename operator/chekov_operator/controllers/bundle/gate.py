"""Whether the revision that a spec asks for can work with what its store holds. Pure.

A revision that has pods already is not gated: it runs. The result for another one holds for one
store, and for one running revision, with whose manifest it was compared and which may have stored
more by the time when another one follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from chekov.serialization.json import to_sorted_json
from chekov_operator.api.conditions import Condition, false, true, unknown
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.fault import RETRY_SECONDS, Fault
from chekov_operator.children.job_outcome import JobOutcome, is_outdated, job_outcome
from chekov_operator.children.pod_state import WARNED_SECONDS, last_log_line
from chekov_operator.children.revision import Revision
from chekov_operator.children.workloads import gate_job, gate_policy
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.gate_result import parse_gate
from chekov_operator.controllers.bundle.observed import CheckLog, ObservedBundle
from chekov_operator.controllers.bundle.revisions import known_result, records
from chekov_operator.controllers.bundle.target import is_empty, store_fault
from chekov_operator.kube.kinds import BASIS_ANNOTATION, JOB, Kind
from chekov_operator.kube.objects import Object, annotation, digest, nested
from chekov_operator.stores.dsn import servers

TYPE: Final = "SchemaCompatible"
_COMPARED: Final = ("domain", "aggregates", "commands", "events", "subscriptions")
_LONGEST_MANIFEST: Final = 100_000
"""In bytes: a single argument of a program has no more than 128 KiB."""
_ALLOWED: Final = "; it was rolled out, since spec.compatibility is not Enforce"
_NO_OUTPUT: Final = (
    "it printed no result; if the Chekov in the image is older than `chekov gate`, set "
    "spec.compatibility to Warn"
)


@dataclass(frozen=True, slots=True)
class Gate:
    """The state of the gate of the revision that a spec asks for.

    Attributes:
        condition: the condition `SchemaCompatible`.
        passed: whether the revision may have pods, as far as the gate is concerned.
        output: the result, if it ended with one.
        fault: why the revision will not run until something changes.
        job: the name of the Job that is still needed, if there is one.
        apply: the objects that the gate needs.
        delete: the objects that it no longer needs.
        requeue_after: seconds after which to reconcile again.
        is_retried: whether a Job without an answer is made again, `RETRY_SECONDS` after it ended.
    """

    condition: Condition
    passed: bool = False
    output: Object | None = None
    fault: Fault | None = None
    job: str | None = None
    apply: Sequence[Object] = ()
    delete: Sequence[tuple[Kind, str]] = ()
    requeue_after: float | None = None
    is_retried: bool = False


def gate_revision(bundle: Bundle, observed: ObservedBundle, check: Check) -> Gate:
    """Determine the state of the gate, which follows a check that was passed."""
    revision = check.revision
    if revision is None or check.result is None:
        return Gate(unknown(TYPE, "NotChecked", "the check of the code comes first"))
    if observed.running == revision.name:
        return _running(revision, observed)
    unservable = _schema_fault(revision, observed, check.result)
    if unservable is not None:
        return _refused(bundle, unservable, _output("Incompatible", unservable))
    if bundle.compatibility == "Skip":
        return Gate(unknown(TYPE, "Skipped", "spec.compatibility is Skip"), passed=True)
    waits_for = store_fault(bundle, observed)
    if waits_for is not None:
        return Gate(unknown(TYPE, "EventStoreNotReady", waits_for))
    basis = _basis(revision, observed)
    stored = nested(records(observed.children).get(revision.name), "status", "gate")
    if nested(stored, "basis") == basis and nested(stored, "compatibility") != "Unknown":
        return _finished(bundle, revision, stored)
    if is_empty(observed):
        return _finished(bundle, revision, {**_NOTHING_STORED, "basis": basis})
    return _from_job(bundle, revision, observed, basis)


def gate_of(bundle: Bundle, revision: Revision, observed: ObservedBundle, occasion: str) -> Gate:
    """Whether another revision, such as an older one, can work with what is stored now.

    Args:
        bundle: the spec.
        revision: the other one.
        observed: what there is.
        occasion: tells this question from an earlier one, whose answer may be out of date.
    """
    return _from_job(bundle, revision, observed, digest(occasion))


_NOTHING_STORED: Final[Object] = {
    "compatibility": "Compatible",
    "reason": "NothingStored",
    "message": "the store holds no events",
}


def _running(revision: Revision, observed: ObservedBundle) -> Gate:
    stored = nested(records(observed.children).get(revision.name), "status", "gate")
    if not stored:
        message = f"revision {revision.name} was rolled out without a gate"
        return Gate(unknown(TYPE, "NotGated", message), passed=True)
    condition = _condition(stored)
    if condition.status != "True":
        condition = replace(condition, message=f"{condition.message}{_ALLOWED}")
    return Gate(condition, passed=True, output=stored)


def _basis(revision: Revision, observed: ObservedBundle) -> str:
    """What a result holds for: the store, and the revision that runs."""
    store = revision.store
    place = [store.meta.uid, store.secret.name, store.secret.key, store.schema]
    host = nested(observed.store, "status", "host")
    running = observed.running if known_result(observed.children, observed.running) else None
    return digest({"store": [*place, host], "running": running})


def _schema_fault(revision: Revision, observed: ObservedBundle, result: Object) -> Fault | None:
    """Why the runtime of a revision cannot use the schema of the store, if that is known."""
    serves = nested(result, "storeSchema")
    status: Object = nested(observed.store, "status") or {}
    version, oldest = status.get("schemaVersion"), status.get("oldestServedSchema")
    if not isinstance(serves, int) or not version:
        return None
    about = f"revision {revision.name} has Chekov {nested(result, 'runtime')}, which"
    if serves > version:
        message = (
            f"{about} needs version {serves} of the store's schema, and the store has version "
            f"{version}: upgrade the operator, or migrate the store"
        )
        return Fault("StoreSchema", message)
    if isinstance(oldest, int) and serves < oldest:
        message = (
            f"{about} works with version {serves} of the store's schema, and the store, at version "
            f"{version}, needs one of {oldest} at least: build the image with a newer release"
        )
        return Fault("StoreSchema", message)
    return None


def _from_job(bundle: Bundle, revision: Revision, observed: ObservedBundle, basis: str) -> Gate:
    wanted = gate_job(revision, _manifest(observed))
    name = str(wanted["metadata"]["name"])
    job = observed.children.get((JOB.name, name))
    if job is not None and _basis_of(job) != basis:
        # It read another store, or compared with another revision.
        return replace(_under_way(bundle, revision, observed), delete=[(JOB, name)], job=None)
    wanted["metadata"]["annotations"] = {BASIS_ANNOTATION: basis}
    if job is None:
        gate = _under_way(bundle, revision, observed)
        return replace(gate, apply=[*gate.apply, wanted], job=name)
    outcome = job_outcome(job, observed.pods, observed.now, observed.warnings)
    if not outcome.finished:
        return _stuck_or_under_way(bundle, revision, observed, job, wanted, outcome)
    log = observed.logs.get(name, CheckLog())
    result = parse_gate(log.document)
    if result is None or result["compatibility"] == "Unknown":
        return _without_answer(bundle, revision, observed, job, wanted, outcome, result)
    connection = "reader" if revision.store.reader else "writer"
    kept = {**result, "basis": basis, "connection": connection}
    return replace(_finished(bundle, revision, kept), job=name)


def _basis_of(job: Object) -> str | None:
    return annotation(job, BASIS_ANNOTATION)


def _manifest(observed: ObservedBundle) -> str:
    """The manifest of the running revision as JSON; empty if there is none, or too much of it."""
    result = known_result(observed.children, observed.running)
    if not nested(result, "ok"):
        return ""
    manifest = {name: nested(result, name) for name in _COMPARED if nested(result, name)}
    text = to_sorted_json(manifest).decode()
    return text if len(text.encode()) <= _LONGEST_MANIFEST else ""


def _needed(bundle: Bundle, observed: ObservedBundle) -> list[Object]:
    if not bundle.network_policy:
        return []
    status: Object = nested(observed.store, "status") or {}
    hosts = ",".join(str(status[name]) for name in ("host", "readerHost") if status.get(name))
    return [gate_policy(bundle, servers(hosts, status.get("podPorts") or ()))]


def _under_way(bundle: Bundle, revision: Revision, observed: ObservedBundle) -> Gate:
    message = f"revision {revision.name} is being tried on what the store holds"
    return Gate(
        unknown(TYPE, "Gating", message),
        apply=_needed(bundle, observed),
        requeue_after=WARNED_SECONDS,
    )


def _stuck_or_under_way(
    bundle: Bundle,
    revision: Revision,
    observed: ObservedBundle,
    job: Object,
    wanted: Object,
    outcome: JobOutcome,
) -> Gate:
    gate = replace(_under_way(bundle, revision, observed), job=str(job["metadata"]["name"]))
    if outcome.stuck is None:
        return gate
    message = f"the gate of revision {revision.name} cannot start: {outcome.stuck.message}"
    fault = Fault(outcome.stuck.reason, message)
    return _unanswered(bundle, gate, fault, _outdated(job, wanted))


def _without_answer(
    bundle: Bundle,
    revision: Revision,
    observed: ObservedBundle,
    job: Object,
    wanted: Object,
    outcome: JobOutcome,
    result: Object | None,
) -> Gate:
    """The gate ended without an answer, which says nothing about the code: retry it."""
    name = str(job["metadata"]["name"])
    log = observed.logs.get(name, CheckLog())
    if result is not None:
        cause = str(result["message"])
    elif log.fault and not outcome.message:
        cause = f"{_NO_OUTPUT}; the log of its pod: {log.fault}"
    else:
        cause = f"{_NO_OUTPUT}; {last_log_line(outcome.message)}"
    fault = Fault("GateCannotRun", f"the gate of revision {revision.name} gave no answer: {cause}")
    is_due = outcome.is_retry_due(observed.now)
    gate = replace(_under_way(bundle, revision, observed), job=name, is_retried=True)
    return _unanswered(bundle, gate, fault, [(JOB, name)] if is_due else _outdated(job, wanted))


def _unanswered(
    bundle: Bundle, gate: Gate, fault: Fault, delete: Sequence[tuple[Kind, str]]
) -> Gate:
    condition = unknown(TYPE, fault.reason, fault.message)
    if bundle.compatibility == "Warn":
        output = _output("Unknown", fault)
        return replace(gate, condition=condition, passed=True, output=output, delete=delete)
    return replace(
        gate, condition=condition, fault=fault, delete=delete, requeue_after=RETRY_SECONDS
    )


def _outdated(job: Object, wanted: Object) -> list[tuple[Kind, str]]:
    """The Job, if the spec has come to ask for another one."""
    return [(JOB, str(job["metadata"]["name"]))] if is_outdated(job, wanted) else []


def _refused(bundle: Bundle, fault: Fault, output: Object) -> Gate:
    condition = false(TYPE, fault.reason, fault.message)
    if bundle.compatibility == "Enforce":
        return Gate(condition, output=output, fault=fault)
    message = f"{fault.message}{_ALLOWED}"
    return Gate(replace(condition, message=message), output=output, passed=True)


def _output(compatibility: str, fault: Fault) -> Object:
    """A result that no gate gave."""
    return {"compatibility": compatibility, "reason": fault.reason, "message": fault.message}


def _finished(bundle: Bundle, revision: Revision, output: Object) -> Gate:
    condition = _condition(output)
    if condition.status == "True":
        return Gate(condition, passed=True, output=output)
    message = f"revision {revision.name} cannot work with what is stored: {condition.message}"
    return _refused(bundle, Fault(condition.reason, message), output)


def _condition(output: Object) -> Condition:
    reason, message = str(output["reason"]), str(output["message"])
    match output["compatibility"]:
        case "Compatible":
            return true(TYPE, reason, message)
        case "Incompatible":
            return false(TYPE, reason, message)
        case _:
            return unknown(TYPE, reason, message)
