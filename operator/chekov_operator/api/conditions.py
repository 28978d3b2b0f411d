"""Status conditions, which people read and tools wait for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from chekov_operator.kube.objects import Object
from chekov_operator.kube.text import printable

_LONGEST_MESSAGE = 32_000


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition without its transition time."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str


def true(kind: str, reason: str, message: str = "") -> Condition:
    return Condition(kind, "True", reason, message)


def false(kind: str, reason: str, message: str = "") -> Condition:
    return Condition(kind, "False", reason, message)


def unknown(kind: str, reason: str, message: str = "") -> Condition:
    return Condition(kind, "Unknown", reason, message)


def rendered(
    wanted: Sequence[Condition],
    before: Sequence[Mapping[str, str]],
    generation: int,
    now: datetime | None = None,
) -> list[Object]:
    """Conditions in the form of the API. The transition time changes only with the status."""
    stamp = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    old = {item["type"]: item for item in before}
    result: list[Object] = []
    for item in sorted(wanted, key=lambda condition: condition.type):
        known = old.get(item.type)
        since = known["lastTransitionTime"] if known and known["status"] == item.status else stamp
        result.append(
            {
                "type": item.type,
                "status": item.status,
                "reason": item.reason,
                "message": printable(item.message[:_LONGEST_MESSAGE]),
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return result
