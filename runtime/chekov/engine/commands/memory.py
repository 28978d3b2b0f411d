"""What states take in memory: an estimate, by which a cache can be bounded."""

import sys
from collections.abc import Iterable
from types import FunctionType, ModuleType
from typing import Any, Final, cast

_MOST_OBJECTS: Final = 10_000
_SHARED: Final = (type, ModuleType, FunctionType)


def estimated_bytes(value: object) -> int:
    """What a value and everything in it take, roughly.

    Beyond 10,000 objects, those that are left to look at are taken to be like the others. What
    classes, modules and functions take is not counted: states share them. If a class's own code
    fails meanwhile, the estimate is 0.
    """
    try:
        return _estimated(value)
    except Exception:  # noqa: BLE001 the code of a class, which may look at other things than it has
        return 0


def _estimated(value: object) -> int:
    seen: set[int] = set()
    pending: list[object] = [value]
    total = 0
    while pending and len(seen) < _MOST_OBJECTS:
        item = pending.pop()
        if id(item) in seen or isinstance(item, _SHARED):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item, 0)
        pending += _parts(item)
    return total + total * len(pending) // max(1, len(seen))


def _parts(item: object) -> Iterable[object]:
    if isinstance(item, str | bytes | int | float | None):
        return ()
    if isinstance(item, dict):
        members = cast("dict[object, object]", item)
        return (*members.keys(), *members.values())
    if isinstance(item, list | tuple | set | frozenset):
        return cast("Iterable[object]", item)
    found: list[object] = [item.__dict__] if hasattr(item, "__dict__") else []
    for kind in type(item).__mro__:
        names: Any = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            part = getattr(item, name, None)
            if part is not None and name != "__dict__":
                found.append(part)
    return found
