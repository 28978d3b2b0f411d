"""Where in the user's code an error arose."""

import sysconfig
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

_OWN: Final = str(Path(__file__).parents[1])
_LIBRARIES: Final = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


class Place(NamedTuple):
    """A line that was running."""

    module: str
    function: str
    file: str
    line: int


def place_of(error: BaseException) -> Place | None:
    """The innermost place in the user's code; `None` when none of it was running.

    A domain may itself be installed like a library: then the outermost place counts, the handler.
    """
    library = place = None
    at: TracebackType | None = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        if not code.co_filename.startswith((_OWN, "<frozen")):
            module = str(at.tb_frame.f_globals.get("__name__", "?"))
            here = Place(module, code.co_qualname, code.co_filename, at.tb_lineno)
            if not code.co_filename.startswith(_LIBRARIES):
                place = here
            elif library is None:
                library = here
        at = at.tb_next
    return place or library
