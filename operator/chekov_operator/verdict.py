"""May the revision that a spec asks for run? Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chekov_operator import names
from chekov_operator.api import Bundle, InvalidSpec, Store, parse_store
from chekov_operator.conditions import Condition, false, true, unknown
from chekov_operator.observed import (
    RETRY_SECONDS,
    BundleObserved,
    Fault,
    JobOutcome,
    job_outcome,
    last_words,
    parse_check,
)
from chekov_operator.record import record, record_of, result_of
from chekov_operator.resources import DEPLOYMENT, JOB, REVISION_LABEL, Kind, Object, dig, label
from chekov_operator.revision import revision_of
from chekov_operator.settings import Settings
from chekov_operator.workloads import Target, check_job, service_account

_SILENT: Final = "the check said nothing; is there a Chekov in the image?"


@dataclass(frozen=True, slots=True)
class Verdict:
    """On the revision that a spec asks for.

    Attributes:
        checked: the condition that says it.
        target: the revision; `None` when it is not even known which it is.
        result: what its check said, when it passed.
        fault: why it will not run until something changes.
        apply: what the check needs, and the record of what it said.
        delete: what it needs no more.
        again: seconds after which to look again.
    """

    checked: Condition
    target: Target | None = None
    result: Object | None = None
    fault: Fault | None = None
    apply: Sequence[Object] = ()
    delete: Sequence[tuple[Kind, str]] = ()
    again: float | None = None


def judge(bundle: Bundle, seen: BundleObserved, settings: Settings) -> Verdict:
    """Find out whether the revision may run, or what is to be done to find out.

    The check needs no database, so it does not wait for one.
    """
    fault, store = _obstacle(bundle, seen, settings)
    if fault is not None or store is None:
        fault = fault or _no_store(bundle)
        message = f"not checked, because {fault.message}"
        return Verdict(unknown("Checked", fault.reason, message), fault=fault, again=RETRY_SECONDS)
    target = _target(bundle, seen, store, settings)
    kept = record_of(seen.children, bundle.meta.name, target.revision)
    result = result_of(kept) or _told_by_deployment(seen, target)
    if result is not None:
        return _told(target, seen, result)
    name = names.check(bundle.meta.name, target.revision)
    job = seen.children.get((JOB.name, name))
    outcome = None if job is None else job_outcome(job, seen.pods)
    if outcome is None or not outcome.finished:
        return _running(target, seen, outcome)
    result = parse_check(outcome.message)
    if result is None:
        return _no_answer(target, seen, outcome, name)
    return _told(target, seen, result)


def _obstacle(
    bundle: Bundle, seen: BundleObserved, settings: Settings
) -> tuple[Fault | None, Store | None]:
    """What stands in the way before the code is looked at, or else the store."""
    if bundle.code.image is None and not settings.allow_inline:
        message = (
            "spec.code: this operator takes code in images only; build one and name it in "
            "spec.code.image"
        )
        return Fault("InlineForbidden", message), None
    if seen.missing:
        message = "; ".join(item.message for item in seen.missing)
        return Fault(seen.missing[0].reason, message), None
    if seen.store is None:
        return _no_store(bundle), None
    try:
        return None, parse_store(seen.store)
    except InvalidSpec as error:
        message = f"EventStore {bundle.store!r} cannot be used: {error}"
        return Fault("EventStoreNotReady", message), None


def _no_store(bundle: Bundle) -> Fault:
    return Fault(
        "EventStoreNotFound",
        f"spec.eventStoreRef.name: there is no EventStore {bundle.store!r} in the namespace "
        f"{bundle.meta.namespace!r}; create it, or name another",
    )


def _target(bundle: Bundle, seen: BundleObserved, store: Store, settings: Settings) -> Target:
    # A policy for images is about ours; of a user's own, Kubernetes decides by the tag.
    pull_policy = None if bundle.code.image else settings.runtime_pull_policy
    return Target(
        bundle=bundle,
        revision=revision_of(bundle, seen.modules, store.schema, settings.runtime_image),
        image=bundle.code.image or settings.runtime_image,
        modules=seen.modules,
        store=store,
        pull_policy=bundle.image_pull_policy or pull_policy,
    )


def _told_by_deployment(seen: BundleObserved, target: Target) -> Object | None:
    live = seen.children.get((DEPLOYMENT.name, target.bundle.meta.name))
    return result_of(live) if label(live, REVISION_LABEL) == target.revision else None


def _needs(target: Target, seen: BundleObserved, result: Object | None) -> list[Object]:
    account = [] if target.bundle.service_account else [service_account(target.bundle)]
    return [*account, record(target, seen.spec, result)]


def _running(target: Target, seen: BundleObserved, outcome: JobOutcome | None) -> Verdict:
    # A Job cannot be changed; the one that is there is the right one, by its name.
    job = [check_job(target)] if outcome is None else []
    apply = [*_needs(target, seen, None), *job]
    if outcome is not None and outcome.stuck is not None:
        message = f"the check of revision {target.revision} cannot start: {outcome.stuck.message}"
        fault = Fault(outcome.stuck.reason, message)
        checked = unknown("Checked", fault.reason, fault.message)
        return Verdict(checked, target, fault=fault, apply=apply, again=RETRY_SECONDS)
    message = f"revision {target.revision} is being checked"
    return Verdict(unknown("Checked", "Checking", message), target, apply=apply)


def _no_answer(target: Target, seen: BundleObserved, outcome: JobOutcome, job: str) -> Verdict:
    """The check ended without a word on the code, so the code is not to blame: try again."""
    said = _SILENT if outcome.succeeded else last_words(outcome.message)
    fault = Fault("CheckCannotRun", f"the check of revision {target.revision} did not run: {said}")
    return Verdict(
        unknown("Checked", fault.reason, fault.message),
        target,
        fault=fault,
        apply=_needs(target, seen, None),
        delete=[(JOB, job)] if outcome.is_due(seen.now) else [],
        again=RETRY_SECONDS,
    )


def _told(target: Target, seen: BundleObserved, result: Object) -> Verdict:
    apply = _needs(target, seen, result)
    if result["ok"]:
        checked = true("Checked", "Passed", f"revision {target.revision} can be loaded")
        return Verdict(checked, target, result, apply=apply)
    fault = Fault(str(result.get("reason") or "InvalidDomain"), _complaint(result))
    checked = false("Checked", fault.reason, fault.message)
    return Verdict(checked, target, fault=fault, apply=apply)


def _complaint(result: Object) -> str:
    """All faults in one line, because `kubectl get` shows it in a table."""
    message = str(result.get("message") or "the domain is not usable")
    faults = [str(fault) for fault in result.get("faults") or ()]
    left_off = dig(result, "left_off", "faults")
    if left_off:
        faults.append(f"and {left_off} more")
    if not faults:
        return message
    return f"{message.splitlines()[0].rstrip(':')}: {'; '.join(faults)}"
