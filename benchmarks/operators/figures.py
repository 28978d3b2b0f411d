"""What is measured of an operator, and the ratios between two."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, cast

from chekov_operator.kube.objects import Object


@dataclass(frozen=True, slots=True)
class Figures:
    """What one operator took in one round.

    Attributes:
        planned: seconds from the first bundle until each has its Deployment.
        ready: seconds until all are ready.
        cpu: processor seconds of the process for each bundle.
        requests: to the API server for each bundle, apart from those for watches and the Lease.
        resident: bytes of memory at the end.
        idle: share of a core when nothing changes.
        verbs: how many requests of each kind were made.
        created: how many children of each resource were created.
        fields: the fields of each child of one bundle, by kind and part of its name.
    """

    planned: float
    ready: float
    cpu: float
    requests: float
    resident: int
    idle: float
    verbs: Counter[str] = field(default_factory=Counter[str])
    created: Counter[str] = field(default_factory=Counter[str])
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


_OF_THE_SERVER: Final = ("apiVersion", "kind", "metadata", "status")
ROWS: Final[Mapping[str, Callable[[Figures], float]]] = {
    "apply → planned, s": lambda figures: figures.planned,
    "apply → Ready, s": lambda figures: figures.ready,
    "CPU per bundle, ms": lambda figures: figures.cpu * 1000,
    "requests per bundle": lambda figures: figures.requests,
    "resident, MiB": lambda figures: figures.resident / 2**20,
    "idle, % of a core": lambda figures: figures.idle * 100,
}


def table(chekov: Sequence[Figures], go: Sequence[Figures]) -> str:
    """The median of each figure, and the median of the ratios of each round."""
    lines = [f"{'':24}{'chekov':>10}{'Go':>10}{'ratio':>10}"]
    for name, value in ROWS.items():
        ours, theirs = [value(item) for item in chekov], [value(item) for item in go]
        ratios = [our / their for our, their in zip(ours, theirs, strict=True) if their]
        ratio = f"{median(ratios):.2f}" if ratios else "-"
        lines.append(f"{name:24}{median(ours):10.1f}{median(theirs):10.1f}{ratio:>10}")
    return "\n".join(lines)


def fields(body: object, path: str = "") -> frozenset[str]:
    """The paths of all values in an object; those in the items of a list count once."""
    items: list[tuple[str, object]] = []
    if isinstance(body, dict):
        held = cast("dict[str, object]", body)
        items = [(f"{path}.{name}", value) for name, value in held.items()]
    elif isinstance(body, list):
        items = [(f"{path}[]", value) for value in cast("list[object]", body)]
    if not items:
        return frozenset([path])
    return frozenset[str]().union(*(fields(value, name) for name, value in items))


def differences(
    chekov: Mapping[str, frozenset[str]], go: Mapping[str, frozenset[str]]
) -> Sequence[str]:
    """What is in the children of one operator alone, a line each."""
    lines: list[str] = []
    for child in sorted({*chekov, *go}):
        ours, theirs = chekov.get(child, frozenset()), go.get(child, frozenset())
        lines += [f"only chekov: {child}{name}" for name in sorted(ours - theirs)]
        lines += [f"only Go: {child}{name}" for name in sorted(theirs - ours)]
    return lines


def shape(body: Object) -> frozenset[str]:
    """The fields of a child that an operator decides upon, labels and annotations included."""
    meta = body["metadata"]
    kept = {name: meta[name] for name in ("labels", "annotations") if name in meta}
    rest: dict[str, Any] = {n: value for n, value in body.items() if n not in _OF_THE_SERVER}
    return fields({"metadata": kept, **rest})
