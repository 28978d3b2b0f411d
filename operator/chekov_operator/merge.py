"""Lays one piece of JSON over another, and tells where one does not hold what the other wants."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from chekov_operator.resources import Object

_KEYS: Final = {"volumeMounts": "mountPath", "ports": "containerPort"}
"""By which field the items of a list are told apart, where it is not their name."""
_WHOLE: Final = frozenset({"selector", "podSelector", "ingress", "egress"})
"""Fields that mean something else with every addition, and that nobody shares with us."""
_EMPTY: Final[tuple[object, ...]] = (None, "", list[object](), dict[str, object]())


def merged(base: Object, over: Mapping[str, object]) -> Object:
    """`over` laid on `base`: maps are merged, lists by their items' keys, all else is replaced."""
    result = dict(base)
    for name, value in over.items():
        result[name] = _laid(name, result.get(name), value)
    return result


def by_name(base: Sequence[Object], over: Sequence[Object]) -> list[Object]:
    """Named items; one of `over` takes the place of its namesake, further ones are appended."""
    items = {item["name"]: item for item in base}
    return list((items | {item["name"]: item for item in over}).values())


def differences(wanted: object, current: object, path: str = "") -> frozenset[str]:
    """Paths at which `current` is not what is wanted.

    What is not wanted does not count, except where an addition changes what is wanted, as in a
    selector. An empty value is the same as a missing one, because the API server leaves empty ones
    out; so an empty map asks for nothing.
    """
    if path.rpartition(".")[2] in _WHOLE:
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
        return _of_lists(cast("list[object]", wanted), cast("list[object]", current), path)
    return frozenset() if _same(cast("object", wanted), current) else frozenset({path})


def _of_lists(wanted: list[object], current: list[object], path: str) -> frozenset[str]:
    ours, theirs = _keyed(wanted, "name"), _keyed(current, "name")
    if ours and theirs is not None:
        # Others may add items of their own, such as a sidecar; theirs are left alone.
        found = {item["name"]: item for item in theirs}
        return frozenset[str]().union(
            *(
                differences(item, found.get(item["name"]), f"{path}[{item['name']}]")
                for item in ours
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


def _laid(name: str, base: object, over: object) -> object:
    if isinstance(base, dict) and isinstance(over, Mapping):
        return merged(cast("Object", base), cast("Mapping[str, object]", over))
    key = _KEYS.get(name, "name")
    ours, theirs = _keyed(cast("object", base), key), _keyed(over, key)
    if ours is None or theirs is None:
        return over
    if name == "env":
        # Merging an item would leave it with both a value and a source of one.
        return by_name(ours, theirs)
    items = {item[key]: item for item in ours}
    for item in theirs:
        items[item[key]] = merged(items.get(item[key], {}), item)
    return list(items.values())


def _keyed(items: object, key: str) -> list[Object] | None:
    """A list, if each of its items is an object with that key."""
    if not isinstance(items, list):
        return None
    found = cast("list[object]", items)
    whole = all(isinstance(item, Mapping) and key in item for item in found)
    return cast("list[Object]", found) if whole else None


def _same(one: object, other: object) -> bool:
    return one == other or (one in _EMPTY and other in _EMPTY)
