"""How many pods a bundle may have: `spec.autoscaling` as a typed value."""

from dataclasses import dataclass

from chekov_operator.api.spec import InvalidSpec
from chekov_operator.kube.objects import nested

_PATH = "spec.autoscaling"


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """The bounds of the number of pods, and what it follows.

    Attributes:
        least: the fewest pods; 0 only with a target of the lag.
        most: the most pods.
        target_cpu: of the requested processor time, the share in percent that pods should use.
        target_lag: unhandled events of a subscription for each of its pods; `None` if the number
            does not follow the lag.
        stabilization_seconds: for how long fewer pods must have been enough.
    """

    least: int
    most: int
    target_cpu: int = 80
    target_lag: int | None = None
    stabilization_seconds: int = 300


def parse_autoscaling(spec: object) -> Autoscaling | None:
    """Parse `autoscaling` of a spec; `None` if the user sets the number of pods.

    Raises:
        InvalidSpec: the bounds contradict each other.
    """
    given = nested(spec, "autoscaling")
    if given is None:
        return None
    found = Autoscaling(
        least=_number(given, "minReplicas", 1),
        most=_number(given, "maxReplicas", 0),
        target_cpu=_number(given, "targetCPU", 80),
        target_lag=nested(given, "targetLag"),
        stabilization_seconds=_number(given, "stabilizationSeconds", 300),
    )
    if not max(found.least, 1) <= found.most:
        raise InvalidSpec(
            f"{_PATH}.maxReplicas",
            f"expected at least minReplicas ({found.least}) and 1, got {found.most}",
        )
    if not found.least and found.target_lag is None:
        raise InvalidSpec(f"{_PATH}.minReplicas", "0 needs a targetLag, by which pods come back")
    return found


def _number(given: object, name: str, otherwise: int) -> int:
    value = nested(given, name)
    return otherwise if value is None else int(value)
