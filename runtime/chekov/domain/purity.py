"""Executing a command with a look at what the executor must not do: change the state."""

import copy
from typing import Any

from chekov.domain.aggregate import Aggregate
from chekov.domain.methods import Method
from chekov.errors import StateChanged


def executed(
    aggregate: type[Aggregate], executor: Method, state: Aggregate, *arguments: Any
) -> list[Any]:
    """What an executor yields.

    Raises:
        StateChanged: it changed the state, which is as it was before again; even if it refuses.
    """
    before = copy.deepcopy(vars(state))
    try:
        return list(executor.function(state, *arguments))
    finally:
        now = vars(state)
        if now != before:
            error = StateChanged(f"{aggregate.__qualname__}.{executor.name}", before, dict(now))
            now.clear()
            now.update(before)
            raise error
