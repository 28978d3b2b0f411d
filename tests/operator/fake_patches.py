"""How the fake API server changes an object: merge patch, JSON patch and server-side apply."""

import copy
from typing import Any, cast

from chekov_operator.kube.objects import Object


def merged(base: Object, over: Object) -> Object:
    """A JSON merge patch."""
    result = dict(base)
    for name, value in over.items():
        mine = result.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            result[name] = merged(cast("Object", mine), cast("Object", value))
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = value
    return result


def operated(base: Object, operations: Any) -> Object:
    """A JSON patch that only adds."""
    result = copy.deepcopy(base)
    for operation in operations:
        assert operation["op"] == "add"
        *way, last = operation["path"].strip("/").split("/")
        inner = result
        for step in way:
            inner = inner[step]
        inner[last] = operation["value"]
    return result


def without(live: Object, before: Object, now: Object) -> Object:
    """Without the fields that were applied before and no longer are."""
    result = dict(live)
    for name, value in before.items():
        if name not in now:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(now[name], dict):
            inner: Any = result.get(name) or {}
            result[name] = without(inner, cast("Object", value), now[name])
    return result
