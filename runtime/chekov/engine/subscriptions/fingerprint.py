"""What failures of one cause have in common, and what people see of a failure."""

import sysconfig
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from chekov.engine.failures import described, leaves
from chekov.store.port import Failure

_OWN: Final = str(Path(__file__).parents[2])
_LIBRARIES: Final = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
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
    return "/".join((handler, event, type(cause).__name__, _place(cause)))


def _place(error: BaseException) -> str:
    """Module, function and line; `-` when no code of the user's was running.

    A domain may itself be installed like a library: then the outermost place counts, the handler.
    """
    library = place = None
    at: TracebackType | None = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        here = f"{at.tb_frame.f_globals.get('__name__', '?')}.{code.co_qualname}:{at.tb_lineno}"
        if not code.co_filename.startswith((_OWN, "<frozen")):
            if not code.co_filename.startswith(_LIBRARIES):
                place = here
            elif library is None:
                library = here
        at = at.tb_next
    return place or library or "-"
