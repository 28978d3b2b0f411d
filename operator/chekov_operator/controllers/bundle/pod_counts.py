"""How many pods each revision should have next, on the way to one that has all of them. Pure.

It is what a Deployment does with its ReplicaSets, over the Deployments of a bundle: grow the one by
as many pods as may be there in excess, and shrink the others by as many as are ready in their
place. Each answer follows from what is there now, so it does not matter what happened before.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of one revision.

    Attributes:
        wanted: how many its Deployment asks for.
        ready: how many are ready.
        stuck: how many have not become ready for so long that nobody waits for them.
    """

    wanted: int
    ready: int
    stuck: int = 0

    @property
    def starting(self) -> int:
        """How many may become ready soon."""
        return max(0, self.wanted - self.ready - self.stuck)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a rollout.

    Attributes:
        replicas: how many pods serve when it is done.
        surge: how many may be there in excess of that.
        unavailable: by how many fewer may be ready.
        share: how many pods the new revision gets for now.
        held: whether the others keep their pods, as far as there is room for them.
        growth: how many more pods there may be at once; `None` where only the surge limits it.
    """

    replicas: int
    surge: int
    unavailable: int
    share: int
    held: bool = False
    growth: int | None = None


def next_counts(target: str, now: Mapping[str, Pods], limits: Limits) -> dict[str, int]:
    """The number of pods that each revision should have next.

    Args:
        target: the revision that grows.
        now: the pods of each revision that has a Deployment, in the order in which they shrink.
        limits: the limits.
    """
    grown = now.get(target, Pods(0, 0))
    others = {name: pods.wanted for name, pods in now.items() if name != target}
    total = sum(others.values())
    room = limits.replicas + limits.surge - grown.wanted - total
    wanted = min(limits.share, grown.wanted + max(0, room))
    if not total:
        # There is nothing to wait for.
        wanted = limits.share
    left = limits.replicas - limits.share
    needed = limits.replicas - limits.unavailable - min(grown.ready, wanted)
    if limits.held:
        needed = limits.replicas + limits.surge - wanted
    kept = min(total, max(0, needed))
    counts = {target: wanted} | _shrunk(others, max(left, kept))
    return counts if limits.growth is None else _grown_by(counts, now, limits.growth)


def growth(counts: Mapping[str, int], now: Mapping[str, Pods]) -> int:
    """How many pods would have to be made for these counts."""
    return sum(max(0, count - now.get(name, Pods(0, 0)).wanted) for name, count in counts.items())


def _grown_by(counts: Mapping[str, int], now: Mapping[str, Pods], most: int) -> dict[str, int]:
    """The counts, with not more pods to be made than there may be; the first gets them first."""
    found: dict[str, int] = {}
    for name, count in counts.items():
        before = now.get(name, Pods(0, 0)).wanted
        found[name] = min(count, before + max(0, most))
        most -= max(0, found[name] - before)
    return found


def _shrunk(counts: Mapping[str, int], total: int) -> dict[str, int]:
    """The counts made as small or as large as their total should be, beginning with the first."""
    excess = sum(counts.values()) - total
    found: dict[str, int] = {}
    for name, count in counts.items():
        taken = min(count, max(0, excess))
        found[name] = count - taken
        excess -= taken
    if excess < 0 and found:
        found[next(reversed(found))] -= excess
    return found
