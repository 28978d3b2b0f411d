"""Whether the revision that a spec asks for may run, and what its check still needs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chekov_operator.api.conditions import Condition, false, true, unknown
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.api.event_store import Store, parse_store
from chekov_operator.api.fault import RETRY_SECONDS, Fault
from chekov_operator.api.spec import InvalidSpec
from chekov_operator.children import names
from chekov_operator.children.job_outcome import JobOutcome, is_outdated, job_outcome
from chekov_operator.children.pod_state import WARNED_SECONDS, last_log_line
from chekov_operator.children.revision import Revision, revision_name
from chekov_operator.children.workloads import check_job, check_policy, service_account
from chekov_operator.controllers.bundle.check_result import is_whole, parse_result
from chekov_operator.controllers.bundle.observed import CheckLog, ObservedBundle
from chekov_operator.controllers.bundle.revisions import (
    known_result,
    records,
    template_version,
)
from chekov_operator.kube.kinds import JOB, Kind
from chekov_operator.kube.objects import Object, nested
from chekov_operator.settings import Settings

_NO_OUTPUT: Final = "the check printed no result; does the image contain Chekov?"
_CUT: Final = "its termination message holds a part of the result only"


@dataclass(frozen=True, slots=True)
class Check:
    """The state of the check of the revision that a spec asks for.

    Attributes:
        condition: the condition `Checked`.
        revision: the revision; `None` if it cannot be determined.
        output: the result, if it ended with one.
        fault: why the revision will not run until something changes.
        apply: the objects that the check needs.
        delete: the objects that it no longer needs.
        requeue_after: seconds after which to reconcile again.
        is_retried: whether a Job without an answer is made again, `RETRY_SECONDS` after it ended.
        is_partial: whether its Job is only made once the revision is stored.
    """

    condition: Condition
    revision: Revision | None = None
    output: Object | None = None
    fault: Fault | None = None
    apply: Sequence[Object] = ()
    delete: Sequence[tuple[Kind, str]] = ()
    requeue_after: float | None = None
    is_retried: bool = False
    is_partial: bool = False

    @property
    def result(self) -> Object | None:
        """The result of a check that was passed."""
        return self.output if nested(self.output, "ok") else None


def check_revision(bundle: Bundle, observed: ObservedBundle, settings: Settings) -> Check:
    """Determine the state of the check. It needs no database, so it does not wait for the store."""
    fault, store = _obstacle(bundle, observed, settings)
    if fault is not None or store is None:
        fault = fault or _no_store(bundle)
        condition = unknown("Checked", fault.reason, f"not checked, because {fault.message}")
        return Check(condition, fault=fault, requeue_after=RETRY_SECONDS)
    revision = _revision(bundle, observed, store, settings)
    result = known_result(observed.children, revision.name)
    if result is not None:
        return _finished(revision, result)
    name = names.check(bundle.meta.name, revision.name)
    job = observed.children.get((JOB.name, name))
    outcome = (
        None if job is None else job_outcome(job, observed.pods, observed.now, observed.warnings)
    )
    if job is None or outcome is None or not outcome.finished:
        return _under_way(revision, observed, job, outcome)
    log = observed.logs.get(name, CheckLog())
    result = _result_of_pod(outcome, log)
    if result is None:
        return _without_result(revision, observed, job, outcome, log)
    return _finished(revision, result)


def _obstacle(
    bundle: Bundle, observed: ObservedBundle, settings: Settings
) -> tuple[Fault | None, Store | None]:
    """Why the check cannot begin; otherwise the store."""
    if bundle.code.image is None and not settings.allow_inline:
        message = (
            "spec.code: this operator accepts code in images only; build an image and set "
            "spec.code.image"
        )
        return Fault("InlineForbidden", message), None
    if observed.missing:
        message = "; ".join(item.message for item in observed.missing)
        return Fault(observed.missing[0].reason, message), None
    if observed.store is None:
        return _no_store(bundle), None
    try:
        return None, parse_store(observed.store)
    except InvalidSpec as error:
        message = f"EventStore {bundle.store!r} is invalid: {error}"
        return Fault("EventStoreNotReady", message), None


def _no_store(bundle: Bundle) -> Fault:
    return Fault(
        "EventStoreNotFound",
        f"spec.eventStoreRef.name: there is no EventStore {bundle.store!r} in the namespace "
        f"{bundle.meta.namespace!r}; create it, or name another one",
    )


def _revision(
    bundle: Bundle, observed: ObservedBundle, store: Store, settings: Settings
) -> Revision:
    # The configured policy applies to the runtime image; for a user's image Kubernetes decides.
    pull_policy = None if bundle.code.image else settings.runtime_pull_policy
    name = revision_name(bundle, observed.modules, store.schema, settings.runtime_image)
    return Revision(
        name=name,
        spec=observed.spec,
        bundle=bundle,
        image=bundle.code.image or settings.runtime_image,
        modules=observed.modules,
        store=store,
        pull_policy=bundle.image_pull_policy or pull_policy,
        template=template_version(observed.children, name),
    )


def _result_of_pod(outcome: JobOutcome, log: CheckLog) -> Object | None:
    """The result from the termination message, or from the log if that has more of it."""
    said = parse_result(outcome.message)
    if is_whole(said):
        return said
    printed = parse_result(log.document)
    if printed is not None:
        return printed
    # The faults that are left say enough to refuse the code; a part of a domain is none.
    return said if said is not None and not said["ok"] else None


def _needed(revision: Revision) -> list[Object]:
    bundle = revision.bundle
    account = [] if bundle.service_account else [service_account(bundle)]
    policy = [check_policy(bundle)] if bundle.network_policy else []
    return [*account, *policy]


def _under_way(
    revision: Revision, observed: ObservedBundle, job: Object | None, outcome: JobOutcome | None
) -> Check:
    # A Job is immutable, and its name contains the revision: an existing one loads the right code.
    # It mounts the ConfigMap that the BundleRevision owns, which therefore comes first.
    is_stored = revision.name in records(observed.children)
    new = [check_job(revision)] if job is None and is_stored else []
    apply = [*_needed(revision), *new]
    if outcome is not None and outcome.stuck is not None:
        message = f"the check of revision {revision.name} cannot start: {outcome.stuck.message}"
        fault = Fault(outcome.stuck.reason, message)
        condition = unknown("Checked", fault.reason, fault.message)
        return Check(
            condition,
            revision,
            fault=fault,
            apply=apply,
            delete=_outdated(revision, job),
            requeue_after=RETRY_SECONDS,
        )
    message = f"revision {revision.name} is being checked"
    condition = unknown("Checked", "Checking", message)
    return Check(
        condition,
        revision,
        apply=apply,
        requeue_after=WARNED_SECONDS,
        is_partial=job is None and not is_stored,
    )


def _without_result(
    revision: Revision, observed: ObservedBundle, job: Object, outcome: JobOutcome, log: CheckLog
) -> Check:
    """The check ended without a result, which says nothing about the code: retry it."""
    cause = _NO_OUTPUT if outcome.succeeded else last_log_line(outcome.message)
    if parse_result(outcome.message) is not None:
        cause = _CUT
    if log.fault:
        cause = f"{cause}; the log of its pod: {log.fault}"
    message = f"the check of revision {revision.name} did not run: {cause}"
    fault = Fault("CheckCannotRun", message)
    return Check(
        unknown("Checked", fault.reason, fault.message),
        revision,
        fault=fault,
        apply=_needed(revision),
        delete=[_named(job)] if outcome.is_retry_due(observed.now) else _outdated(revision, job),
        requeue_after=RETRY_SECONDS,
        is_retried=True,
    )


def _outdated(revision: Revision, job: Object | None) -> list[tuple[Kind, str]]:
    """The Job of a check that did not run, if the spec has come to ask for another one.

    A pull secret or more memory makes no new revision, and may be what was missing.
    """
    if job is None or not is_outdated(job, check_job(revision)):
        return []
    return [_named(job)]


def _named(job: Object) -> tuple[Kind, str]:
    return JOB, str(job["metadata"]["name"])


def _finished(revision: Revision, result: Object) -> Check:
    apply = _needed(revision)
    if result["ok"]:
        message = f"the code of revision {revision.name} loads{_left_off(result)}"
        condition = true("Checked", "Passed", message)
        return Check(condition, revision, result, apply=apply)
    fault = Fault(str(result.get("reason") or "InvalidDomain"), _message(result))
    condition = false("Checked", fault.reason, fault.message)
    return Check(condition, revision, result, fault, apply)


def _left_off(result: Object) -> str:
    counts: Object = nested(result, "leftOff") or {}
    if not counts:
        return ""
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"; its result is too long for the status, which leaves out {listed}"


def _message(result: Object) -> str:
    """All faults on one line, because `kubectl get` shows them in a table."""
    message = str(result.get("message") or "the domain is invalid")
    faults = [str(fault) for fault in result.get("faults") or ()]
    left_off = nested(result, "leftOff", "faults")
    if left_off:
        faults.append(f"and {left_off} more")
    if not faults:
        return message
    return f"{message.splitlines()[0].rstrip(':')}: {'; '.join(faults)}"
