"""How one revision takes over from another: `spec.rollout` as a typed value."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chekov_operator.api.spec import InvalidSpec
from chekov_operator.kube.objects import nested, nested_list

_PATH: Final = "spec.rollout"
_FEW: Final = 3
"""Below so many pods, there is one step."""


@dataclass(frozen=True, slots=True)
class Abort:
    """How much worse a new revision may be.

    Attributes:
        failure_ratio: by how much the share of failing commands may be greater.
        latency_factor: how many times as long commands may take.
        min_commands: of each revision; fewer are not compared.
    """

    failure_ratio: float = 0.02
    latency_factor: float = 2.0
    min_commands: int = 200


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the way.

    Attributes:
        share: of the pods that the new revision has then, in percent.
        pause: seconds to wait once these are ready.
    """

    share: int
    pause: float


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How the pods of one revision take the place of another's.

    Attributes:
        max_surge: pods in excess of the wanted ones, or their percentage.
        max_unavailable: pods that may be missing, or their percentage.
        deadline: seconds without progress after which the last good revision serves again.
        steps: on the way; without any, the new revision grows by the surge until it has all pods.
        abort: how much worse the new revision may be; `None` where nobody compares.
    """

    max_surge: int | str = 1
    max_unavailable: int | str = 0
    deadline: float = 180.0
    steps: Sequence[Step] = ()
    abort: Abort | None = None

    def surge(self, replicas: int) -> int:
        return _count(self.max_surge, replicas, up=True)

    def unavailable(self, replicas: int) -> int:
        """How many pods may be missing; with no surge at all, at least one."""
        return max(_count(self.max_unavailable, replicas, up=False), int(not self.surge(replicas)))

    def stages(self, replicas: int) -> list[tuple[int, float]]:
        """The number of pods of the new revision at each step, with the seconds to wait there."""
        found: list[tuple[int, float]] = []
        for step in self.steps if replicas >= _FEW else self.steps[:1]:
            count = math.ceil(replicas * step.share / 100)
            if count >= replicas:
                break
            found.append((count, step.pause))
        return found


def parse_rollout(spec: object) -> RolloutSettings:
    """Parse `rollout` of a DomainBundle's spec.

    Raises:
        InvalidSpec: a field is invalid.
    """
    given: object = nested(spec, "rollout")
    default = RolloutSettings()
    steps = tuple(_steps(given))
    return RolloutSettings(
        max_surge=_pods(given, "maxSurge", default.max_surge),
        max_unavailable=_pods(given, "maxUnavailable", default.max_unavailable),
        deadline=float(nested(given, "progressDeadlineSeconds") or default.deadline),
        steps=steps,
        abort=_abort(nested(given, "abort"), has_steps=bool(steps)),
    )


def _pods(given: object, name: str, otherwise: int | str) -> int | str:
    """A number of pods, or a percentage of them."""
    found = nested(given, name)
    if found is None:
        return otherwise
    text = str(found).removesuffix("%")
    if not (text.isascii() and text.isdecimal()):
        message = f'expected a number of pods or a percentage such as "25%", got {found!r}'
        raise InvalidSpec(f"{_PATH}.{name}", message)
    return found if isinstance(found, int) else str(found)


def _steps(given: object) -> Iterable[Step]:
    before = 0
    for index, item in enumerate(nested_list(given, "steps")):
        share = int(nested(item, "share") or 0)
        if not before < share <= 100:
            message = f"expected more than {before} percent and at most 100, got {share}"
            raise InvalidSpec(f"{_PATH}.steps[{index}].share", message)
        before = share
        yield Step(share, float(nested(item, "pauseSeconds") or 0))


def _abort(given: object, *, has_steps: bool) -> Abort | None:
    if given is None and not has_steps:
        return None
    default = Abort()
    return Abort(
        failure_ratio=_number(given, "failureRatio", default.failure_ratio),
        latency_factor=_number(given, "latencyFactor", default.latency_factor),
        min_commands=int(nested(given, "minCommands") or default.min_commands),
    )


def _number(given: object, name: str, otherwise: float) -> float:
    found = nested(given, name)
    if found is None:
        return otherwise
    try:
        return float(found)
    except ValueError:
        message = f'expected a number such as "0.05", got {found!r}'
        raise InvalidSpec(f"{_PATH}.abort.{name}", message) from None


def _count(given: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(given, int):
        return given
    number = int(given.removesuffix("%"))
    if not given.endswith("%"):
        return number
    share = replicas * number / 100
    return math.ceil(share) if up else math.floor(share)
