"""The planner of Subscriptions: what to change in the store, and the status. Pure."""

from chekov.store.port import SubscriptionRow
from chekov_operator.api.conditions import Condition, false, true, unknown
from chekov_operator.api.fault import RETRY_SECONDS
from chekov_operator.api.subscription import Subscription
from chekov_operator.controllers.plan import Plan, paused_plan
from chekov_operator.controllers.subscription.observed import Change, ObservedSubscription
from chekov_operator.controllers.subscription_rows import (
    STATES,
    WAITING,
    fault_of_rows,
    rebuild_status,
    row_status,
)
from chekov_operator.kube.objects import Object

_OF_THE_PASS = ("conditions", "observedGeneration")


def wanted_change(wanted: Subscription, observed: ObservedSubscription) -> Change | None:
    """What `spec` asks for and the store does not have yet.

    What somebody else paused is not taken over, so that it stays paused after `suspend`, unless a
    new `resumeNonce` asks for it.
    """
    rows = observed.every
    if wanted.meta.paused or not rows:
        return None
    if wanted.suspend:
        return None if all(row.state == "paused" for row in rows) else "pause"
    halted = [row for row in rows if row.state != "running"]
    if any(_is_suspended(row, wanted) for row in rows) or (halted and _is_asked(wanted, observed)):
        return "resume"
    return None


def plan_subscription(wanted: Subscription, observed: ObservedSubscription) -> Plan:
    """The status of a subscription, which has nothing that it owns."""
    if wanted.meta.paused:
        return paused_plan()
    if not observed.is_read:
        # After a restart of the operator, what it said before holds until it has read again.
        return Plan(keep_status=True)
    if observed.fault is not None:
        kept = {name: item for name, item in observed.status.items() if name not in _OF_THE_PASS}
        fault = observed.fault
        return Plan(
            status=kept,
            conditions=[
                unknown("Ready", fault.reason, fault.message),
                unknown("Degraded", fault.reason, fault.message),
                unknown("Suspended", fault.reason, fault.message),
            ],
            requeue_after=RETRY_SECONDS,
        )
    return Plan(
        status=_status(wanted, observed),
        conditions=[_ready(wanted, observed), _degraded(observed), _suspended(wanted, observed)],
    )


def _status(wanted: Subscription, observed: ObservedSubscription) -> Object:
    partitions = [row_status(row, observed.head) for row in observed.rows]
    owned = sum("owner" in item for item in partitions)
    status: Object = {
        "state": _state(observed),
        "position": min((int(item["position"]) for item in partitions), default=0),
        "head": observed.head,
        "lag": max((int(item["lag"]) for item in partitions), default=0),
        "parked": sum(int(item["parked"]) for item in partitions),
        "parkedKeys": sum(int(item["parkedKeys"]) for item in partitions),
        "owners": f"{owned}/{len(partitions)}",
        "partitions": partitions,
    }
    if observed.building is not None:
        status["rebuild"] = rebuild_status(observed.building)
    errors = [row.error for row in observed.rows if row.state == "stopped" and row.error]
    if errors:
        status["error"] = errors[0]
    paused = [row.paused_by for row in observed.rows if row.state == "paused"]
    if paused:
        status["pausedBy"] = paused[0]
    nonce = _nonce_carried_out(wanted, observed)
    return {**status, "resumedNonce": nonce} if nonce else status


def _nonce_carried_out(wanted: Subscription, observed: ObservedSubscription) -> object:
    runs = observed.every and all(row.state == "running" for row in observed.every)
    is_done = runs or observed.carried_out == "resume"
    return wanted.resume_nonce if is_done else observed.status.get("resumedNonce")


def _state(observed: ObservedSubscription) -> str:
    found = {str(row_status(row, observed.head)["state"]) for row in observed.rows}
    return next((state for state in STATES if state in found), "absent")


def _ready(wanted: Subscription, observed: ObservedSubscription) -> Condition:
    state = _state(observed)
    if state == "absent":
        message = f"no pod has run version {wanted.version} of {wanted.handler} yet"
        return false("Ready", "NotInStore", message)
    if state == "stopped":
        where = min(row.position for row in observed.rows if row.state == "stopped")
        errors = [str(row.error) for row in observed.rows if row.state == "stopped"]
        message = (
            f"it stopped after position {where}: {errors[0]}. After the repair, set "
            "spec.resumeNonce to a new value to let it go on"
        )
        return false("Ready", "SubscriptionStopped", message)
    if state == "paused":
        suspended = _suspended(wanted, observed)
        reason = "Suspended" if suspended.reason == "SuspendedBySpec" else "Paused"
        return false("Ready", reason, suspended.message)
    if state == WAITING:
        waiting = [str(row.key.partition) for row in observed.rows if not row.owner]
        return false("Ready", "NoOwner", f"no pod owns partition {', '.join(waiting)}")
    if state == "live":
        return true("Ready", "Running", "it has handled every event")
    return true("Ready", "CatchingUp", "it handles events, and has not reached the newest one")


def _degraded(observed: ObservedSubscription) -> Condition:
    fault = fault_of_rows(observed.rows)
    if fault is None:
        return false("Degraded", "AsExpected", "no faults")
    return true("Degraded", fault.reason, fault.message)


def _suspended(wanted: Subscription, observed: ObservedSubscription) -> Condition:
    paused = [row for row in observed.every if row.state == "paused"]
    if not paused:
        why = "the change is under way" if wanted.suspend else "pods run it"
        return false("Suspended", "NotSuspended", why)
    if all(_is_suspended(row, wanted) for row in paused):
        message = "spec.suspend is true, so no pod runs it"
        if not wanted.suspend:
            message = "spec.suspend was true; it is being resumed"
        return true("Suspended", "SuspendedBySpec", message)
    by = next((row.paused_by for row in paused if row.paused_by), "somebody")
    message = (
        f"{by} paused it; `chekov subscriptions resume`, or a new value of spec.resumeNonce, lets "
        "it go on"
    )
    if wanted.suspend:
        message = f"{by} paused it before spec.suspend was true, and it stays paused after that"
    return true("Suspended", "PausedElsewhere", message)


def _is_suspended(row: SubscriptionRow, wanted: Subscription) -> bool:
    return row.state == "paused" and row.paused_by == wanted.actor


def _is_asked(wanted: Subscription, observed: ObservedSubscription) -> bool:
    nonce = wanted.resume_nonce
    return bool(nonce) and nonce != observed.status.get("resumedNonce")
