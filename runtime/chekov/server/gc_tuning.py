"""The garbage collector of a process that serves: it need not look at what never goes away."""

import gc
from typing import Final

_ALLOCATIONS: Final = 20_000
_YOUNG: Final = 20
_OLD: Final = 50


def settle() -> None:
    """Set what exists now apart, and collect less often.

    Events and commands hold no circles, so they go without the collector. At its default
    thresholds it would walk over every module and class a few times for each page of events:
    more work than decoding them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, _YOUNG, _OLD)
