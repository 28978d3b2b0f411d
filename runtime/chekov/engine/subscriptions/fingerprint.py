"""What failures of one cause have in common, and what people see of a failure."""

import traceback
from typing import Final

from chekov.engine.failures import described, leaves
from chekov.engine.places import place_of
from chekov.store.port import Failure

_LONGEST: Final = 10_000
"""Characters of a traceback that are kept: the last ones."""


def failure(handler: str, event: str, error: BaseException, attempts: int) -> Failure:
    """Describe why a handler failed on an event.

    Args:
        handler: the handler's name.
        event: the stored name of the event.
        error: what was raised at the last attempt.
        attempts: how many there were.
    """
    text = "".join(traceback.format_exception(error))
    return Failure(attempts, described(error), fingerprint(handler, event, error), text[-_LONGEST:])


def fingerprint(handler: str, event: str, error: BaseException) -> str:
    """Handler, event type, exception type and the innermost place in the user's code.

    Of an exception group, its first error counts. It holds no values, so that failures of one cause
    share it.
    """
    cause = leaves(error)[0]
    place = place_of(cause)
    where = "-" if place is None else f"{place.module}.{place.function}:{place.line}"
    return f"{handler}/{event}/{type(cause).__name__}/{where}"
