"""Whether a status differs from the one before by mere progress. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.objects import Object, nested_list

_MOVING: Final = frozenset(
    {"position", "head", "lag", "parked", "parkedKeys", "target", "percent", "secondsLeft"}
)
_OF_CONDITIONS: Final = ("type", "status", "reason")
_OF_THE_PASS: Final = ("conditions", "observedGeneration")


def is_mere_progress(before: Mapping[str, Any], plan: Plan) -> bool:
    """Whether only numbers have moved since the status was written."""
    old = {name: value for name, value in before.items() if name not in _OF_THE_PASS}
    return (
        old != plan.status
        and _steady(old) == _steady(plan.status)
        and _conditions_before(before) == _conditions(plan)
    )


def _steady(value: object) -> object:
    """What stays of a status when its numbers move."""
    if isinstance(value, Mapping):
        given: Mapping[str, object] = value  # pyright: ignore[reportUnknownVariableType]
        return {name: _steady(item) for name, item in given.items() if name not in _MOVING}
    if isinstance(value, list):
        items: list[object] = value  # pyright: ignore[reportUnknownVariableType]
        return [_steady(item) for item in items]
    return value


def _conditions_before(status: Mapping[str, Any]) -> list[list[str]]:
    found: list[Object] = list(nested_list(status, "conditions"))
    return sorted([str(item.get(name)) for name in _OF_CONDITIONS] for item in found)


def _conditions(plan: Plan) -> list[list[str]]:
    return sorted([item.type, item.status, item.reason] for item in plan.conditions)
