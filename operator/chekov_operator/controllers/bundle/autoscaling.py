"""How many pods the lag of a bundle's subscriptions needs. Pure.

The autoscaler of Kubernetes follows processor time, and takes any number from its `minReplicas`
on. So the number that the lag needs becomes that minimum: no metrics API of its own is needed, of
which a cluster can have one only.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from chekov.store.port import SubscriptionRow
from chekov_operator.api.domain_bundle import Bundle
from chekov_operator.children.autoscaler import autoscaler
from chekov_operator.children.pod_state import seconds_of
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.kube.kinds import AUTOSCALER, Kind
from chekov_operator.kube.objects import Object, nested, nested_list

_RENEWALS: Final = 10
"""How often the end of a window may move within one; each move is a write of the status."""


class Minimum(NamedTuple):
    """How many pods there are to be at least, because of the lag.

    Attributes:
        pods: the number.
        until: when fewer will do, if not more are needed before; seconds since the epoch.
        then: how many were needed at most since then.
    """

    pods: int = 0
    until: float = 0.0
    then: int = 0


@dataclass(frozen=True, slots=True)
class Scaling:
    """What the autoscaling of a bundle takes.

    Attributes:
        apply: its autoscaler.
        delete: the one that the spec no longer asks for.
        status: what the status says about it.
        scale_to: how many pods there are to be, where that is for the operator to say.
    """

    apply: Sequence[Object] = ()
    delete: Sequence[tuple[Kind, str]] = ()
    status: Object = field(default_factory=dict[str, Any])
    scale_to: int | None = None


def plan_autoscaling(
    bundle: Bundle,
    observed: ObservedBundle,
    rows: Sequence[SubscriptionRow],
    *,
    result: Object | None = None,
    complete: bool = False,
) -> Scaling:
    """Plan the autoscaler, and the ways to no pod and back, which it does not know.

    Args:
        bundle: the spec.
        observed: with the status that holds the minimum of before.
        rows: the subscriptions of the revision that serves.
        result: of its check.
        complete: whether the revision that is to have pods was once rolled out.
    """
    name = bundle.meta.name
    live = observed.children.get((AUTOSCALER.name, name))
    settings = bundle.autoscaling
    if settings is None:
        return Scaling(delete=[] if live is None else [(AUTOSCALER, name)])
    minimum = Minimum()
    if settings.target_lag is not None:
        minimum = minimum_of(observed.status)
        if observed.subscriptions is not None:
            needed = min(pods_for_lag(rows, observed.head, settings.target_lag), settings.most)
            if observed.waiting is not None:
                # The checkpoints of a bundle without pods do not pass over what it does not take.
                needed = max(1, needed) if observed.waiting else 0
            minimum = next_minimum(minimum, needed, observed.now, settings.stabilization_seconds)
    least = min(max(settings.least, minimum.pods, 1), settings.most)
    return Scaling(
        apply=[autoscaler(bundle, settings, least=least)],
        status={"autoscaling": _status(least, minimum, live)},
        scale_to=_scale_to(bundle, observed, rows, minimum, result, complete=complete),
    )


def _scale_to(
    bundle: Bundle,
    observed: ObservedBundle,
    rows: Sequence[SubscriptionRow],
    minimum: Minimum,
    result: Object | None,
    *,
    complete: bool,
) -> int | None:
    """0 when no event waits for a bundle that may have no pods, 1 when one does; else `None`."""
    if observed.waiting is None or bundle.suspended:
        return None
    if not bundle.replicas:
        # Only pods of a new revision make the tables of its projections.
        return 1 if observed.waiting or not complete else None
    declared = {str(item["name"]) for item in nested_list(result, "subscriptions")}
    registered = {row.key.name for row in rows}
    is_idle = complete and not observed.waiting and not minimum.pods and declared <= registered
    # Somebody may have a parked event handled again.
    return 0 if is_idle and not any(row.parked for row in rows) else None


def pods_for_lag(rows: Sequence[SubscriptionRow], head: int, target_lag: int) -> int:
    """How many pods the subscriptions need, so that each has no more than `target_lag` events.

    One that has fallen further behind needs several, as far as it has partitions to share. One
    that is paused or stopped needs none.
    """
    lags: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for row in rows:
        if row.state == "running":
            key = row.key
            lags[key.name, key.version, key.generation].append(max(0, head - row.position))
    return sum(min(len(each), -(-max(each) // target_lag)) for each in lags.values())


def next_minimum(before: Minimum, needed: int, now: float, window: float) -> Minimum:
    """The minimum after another look: it rises at once, and falls after a window.

    A window begins whenever as many pods are needed as there are; at its end as many remain as
    were needed at most within it. So the number cannot follow a lag up and down.
    """
    if needed >= before.pods:
        until = now + window if needed else 0.0
        is_new = needed > before.pods or until - before.until >= window / _RENEWALS
        return Minimum(needed, until if is_new else before.until)
    then = max(before.then, needed)
    if now < before.until:
        return before._replace(then=then)
    return Minimum(then, now + window if then else 0.0, needed)


def minimum_of(status: object) -> Minimum:
    """The minimum that a status holds."""
    given = nested(status, "autoscaling")
    return Minimum(
        int(nested(given, "lagReplicas") or 0),
        seconds_of(nested(given, "lagReplicasUntil")),
        int(nested(given, "lagReplicasThen") or 0),
    )


def _status(least: int, minimum: Minimum, live: Object | None) -> Object:
    found: Object = {"minReplicas": least}
    if minimum.pods:
        until = datetime.fromtimestamp(int(minimum.until), UTC)
        found |= {
            "lagReplicas": minimum.pods,
            "lagReplicasUntil": until.isoformat().replace("+00:00", "Z"),
            "lagReplicasThen": minimum.then,
        }
    faults = [
        str(item.get("message"))
        for item in nested_list(live, "status", "conditions")
        if item.get("type") in ("AbleToScale", "ScalingActive")
        and item.get("status") == "False"
        # Without pods, which is the operator's work.
        and item.get("reason") != "ScalingDisabled"
    ]
    if faults:
        found["message"] = "; ".join(faults)
    return found
