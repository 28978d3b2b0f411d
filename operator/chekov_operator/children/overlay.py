"""Merging a user's pod template into the operator's own."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from chekov_operator.kube.objects import Object, keyed

_KEYS: Final = {"volumeMounts": "mountPath", "ports": "containerPort"}
"""The fields that identify the items of lists whose items are not identified by `name`."""


def merged(base: Object, over: Mapping[str, object]) -> Object:
    """`base` overlaid with `over`: maps are merged, lists item by item, other values replaced."""
    result = dict(base)
    for name, value in over.items():
        result[name] = _merged_field(name, result.get(name), value)
    return result


def by_name(base: Sequence[Object], over: Sequence[Object]) -> list[Object]:
    """The items of both lists; an item of `over` replaces the item of `base` with its name."""
    items = {item["name"]: item for item in base}
    return list((items | {item["name"]: item for item in over}).values())


def _merged_field(name: str, base: object, over: object) -> object:
    if isinstance(base, dict) and isinstance(over, Mapping):
        return merged(cast("Object", base), cast("Mapping[str, object]", over))
    key = _KEYS.get(name, "name")
    base_items, over_items = keyed(cast("object", base), key), keyed(over, key)
    if base_items is None or over_items is None:
        return over
    if name == "env":
        # Merging two items could leave a variable with both a value and a valueFrom.
        return by_name(base_items, over_items)
    items = {item[key]: item for item in base_items}
    for item in over_items:
        items[item[key]] = merged(items.get(item[key], {}), item)
    return list(items.values())
