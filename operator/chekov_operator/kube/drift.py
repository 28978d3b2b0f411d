"""Where an object of the cluster is not as it is wanted."""

from collections.abc import Mapping
from typing import Final, TypeAlias, cast

from chekov_operator.kube.objects import keyed

Differences: TypeAlias = Mapping[str, object]
"""The value that an object has at each path at which another one is wanted."""

_COMPARED_WHOLE: Final = frozenset({"selector", "podSelector", "ingress", "egress"})
"""Fields whose meaning changes with every addition, so that nobody else may add to them."""
_EMPTY: Final[tuple[object, ...]] = (None, "", list[object](), dict[str, object]())


def differences(wanted: object, current: object, path: str = "") -> Differences:
    """The paths at which `current` does not hold the wanted value, with what it holds there.

    Fields of `current` that are not in `wanted` do not count, except in the fields that are
    compared whole. The API server leaves out empty values, so an empty value equals a missing one
    and an empty map asks for nothing.
    """
    found: dict[str, object] = {}
    _compare(wanted, current, path, found)
    return found


def _compare(wanted: object, current: object, path: str, found: dict[str, object]) -> None:
    if wanted == current:
        return
    if path.rpartition(".")[2] in _COMPARED_WHOLE:
        _compare_values(wanted, current, path, found)
    elif isinstance(wanted, Mapping) and (isinstance(current, Mapping) or current is None):
        here = cast("Mapping[str, object]", current or {})
        for name, value in cast("Mapping[str, object]", wanted).items():
            _compare(value, here.get(name), f"{path}.{name}", found)
    elif isinstance(wanted, list) and isinstance(current, list):
        _compare_lists(cast("list[object]", wanted), cast("list[object]", current), path, found)
    else:
        _compare_values(cast("object", wanted), current, path, found)


def _compare_lists(
    wanted: list[object], current: list[object], path: str, found: dict[str, object]
) -> None:
    named, live = keyed(wanted, "name"), keyed(current, "name")
    if named and live is not None:
        # Other writers may add items, such as a sidecar; those do not count.
        items = {item["name"]: item for item in live}
        for item in named:
            _compare(item, items.get(item["name"]), f"{path}[{item['name']}]", found)
    elif len(wanted) != len(current):
        found[path] = current
    else:
        for index, (one, other) in enumerate(zip(wanted, current, strict=True)):
            _compare(one, other, f"{path}[{index}]", found)


def _compare_values(wanted: object, current: object, path: str, found: dict[str, object]) -> None:
    if wanted != current and not (wanted in _EMPTY and current in _EMPTY):
        found[path] = current
