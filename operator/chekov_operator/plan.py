"""What is to be done about an object, and what to say about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chekov_operator.conditions import Condition, true
from chekov_operator.resources import Kind, Object


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what to say about it.

    Attributes:
        apply: objects that should be as given.
        delete: kind and name of children that should not be.
        status: the status without its conditions.
        conditions: what holds.
        keep: whether the status and the other conditions stay as they are.
        again: seconds after which to look again although nothing told of a change.
    """

    apply: Sequence[Object] = ()
    delete: Sequence[tuple[Kind, str]] = ()
    status: Object = field(default_factory=dict[str, Any])
    conditions: Sequence[Condition] = ()
    keep: bool = False
    again: float | None = None


def paused() -> Plan:
    """What becomes of a paused object: nothing, which it says."""
    message = "the annotation chekov.dev/paused keeps the operator from changing anything"
    return Plan(conditions=[true("Paused", "PausedByAnnotation", message)], keep=True)
