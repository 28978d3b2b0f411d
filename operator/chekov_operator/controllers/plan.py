"""What a planner decides: the changes to make, and the status to write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chekov_operator.api.conditions import Condition, true
from chekov_operator.kube.kinds import PAUSED_ANNOTATION, Kind
from chekov_operator.kube.objects import Object


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes to make, and the status to write.

    Attributes:
        apply: the children that should exist, as they should be.
        delete: kind and name of the children that should not exist.
        status: the status without its conditions.
        conditions: those that this plan decides.
        keep_status: whether the status and all other conditions stay as they are.
        read_store_soon: whether the store is about to change, so that it should be read soon.
        requeue_after: seconds after which to reconcile again, even if no watch reports a change.
        events: reason and message of each Kubernetes Event to emit with the status.
        is_interim: whether the status says only what passes by itself, and decides nothing, so that
            it may be left out once where a later one follows.
        is_partial: whether something else is to be applied once all of `apply` exists.
        scale_to: how many pods the object should ask for from now on.
        child_statuses: kind and name of children, with the status that each should have.
    """

    apply: Sequence[Object] = ()
    delete: Sequence[tuple[Kind, str]] = ()
    status: Object = field(default_factory=dict[str, Any])
    conditions: Sequence[Condition] = ()
    keep_status: bool = False
    read_store_soon: bool = False
    requeue_after: float | None = None
    events: Sequence[tuple[str, str]] = ()
    is_interim: bool = False
    is_partial: bool = False
    scale_to: int | None = None
    child_statuses: Mapping[tuple[Kind, str], Object] = field(
        default_factory=dict[tuple[Kind, str], Object]
    )


def paused_plan() -> Plan:
    """The plan of a paused object: change nothing, and report that."""
    message = f"the annotation {PAUSED_ANNOTATION} keeps the operator from changing anything"
    return Plan(conditions=[true("Paused", "PausedByAnnotation", message)], keep_status=True)
