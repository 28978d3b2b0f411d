"""What is to be done about an object, and what to say about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chekov_operator.conditions import Condition, true
from chekov_operator.resources import Kind, Object

RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what to say about it.

    Attributes:
        apply: objects that should be as given.
        delete: kind and name of children that should not be.
        status: the status without its conditions.
        conditions: what holds.
        again: seconds after which to look again although nothing told of a change.
    """

    apply: Sequence[Object] = ()
    delete: Sequence[tuple[Kind, str]] = ()
    status: Object = field(default_factory=dict[str, Any])
    conditions: Sequence[Condition] = ()
    again: float | None = None


def paused() -> list[Condition]:
    """What a paused object says."""
    message = "the annotation chekov.dev/paused keeps the operator from changing anything"
    return [true("Paused", "PausedByAnnotation", message)]
