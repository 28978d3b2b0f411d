"""Where an object of the cluster is not as it is wanted."""

from collections.abc import Mapping
from typing import Final, cast

from chekov_operator.kube.objects import keyed

_COMPARED_WHOLE: Final = frozenset({"selector", "podSelector", "ingress", "egress"})
"""Fields whose meaning changes with every addition, so that nobody else may add to them."""
_EMPTY: Final[tuple[object, ...]] = (None, "", list[object](), dict[str, object]())


def differences(wanted: object, current: object, path: str = "") -> frozenset[str]:
    """The paths at which `current` does not hold the wanted value.

    Fields of `current` that are not in `wanted` do not count, except in the fields that are
    compared whole. The API server leaves out empty values, so an empty value equals a missing one
    and an empty map asks for nothing.
    """
    if path.rpartition(".")[2] in _COMPARED_WHOLE:
        return frozenset() if _same(wanted, current) else frozenset({path})
    if isinstance(wanted, Mapping) and (isinstance(current, Mapping) or current is None):
        here = cast("Mapping[str, object]", current or {})
        return frozenset[str]().union(
            *(
                differences(value, here.get(name), f"{path}.{name}")
                for name, value in cast("Mapping[str, object]", wanted).items()
            )
        )
    if isinstance(wanted, list) and isinstance(current, list):
        return _between_lists(cast("list[object]", wanted), cast("list[object]", current), path)
    return frozenset() if _same(cast("object", wanted), current) else frozenset({path})


def _between_lists(wanted: list[object], current: list[object], path: str) -> frozenset[str]:
    named, live = keyed(wanted, "name"), keyed(current, "name")
    if named and live is not None:
        # Other writers may add items, such as a sidecar; those do not count.
        found = {item["name"]: item for item in live}
        return frozenset[str]().union(
            *(
                differences(item, found.get(item["name"]), f"{path}[{item['name']}]")
                for item in named
            )
        )
    if len(wanted) != len(current):
        return frozenset({path})
    return frozenset[str]().union(
        *(
            differences(one, other, f"{path}[{index}]")
            for index, (one, other) in enumerate(zip(wanted, current, strict=True))
        )
    )


def _same(one: object, other: object) -> bool:
    return one == other or (one in _EMPTY and other in _EMPTY)
