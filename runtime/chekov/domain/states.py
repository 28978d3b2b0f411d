"""Classes whose fields are a state that is empty at first: aggregates and process managers."""

from dataclasses import MISSING, dataclass, fields
from typing import Any, cast


def make_state(cls: type, faults: list[str]) -> None:
    """Make `cls` a dataclass; a field without a default is a fault."""
    try:
        dataclass(kw_only=True)(cls)
    except (TypeError, ValueError) as error:
        faults.append(f"{cls.__qualname__}: {error}")
        return
    faults.extend(
        f"{cls.__qualname__}.{item.name} needs a default: an instance is empty before its events"
        for item in fields(cast("Any", cls))
        if item.default is MISSING and item.default_factory is MISSING
    )
