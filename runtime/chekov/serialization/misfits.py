"""What content does not fit, in words that hold none of its values."""

import re
from typing import Final

import msgspec

_VALUE_FREE: Final = re.compile(
    r"(?:Expected `[^`]*`(?: [^`-]*)?(?:, got `[^`]*`)?"
    r"|Object (?:missing required|contains unknown) field `[^`]*`"
    r"|JSON is malformed: [^(]*|Input data was truncated)"
)
_PATH: Final = re.compile(r" - at `([^`]*)`\Z")


def misfit(error: BaseException | None) -> str | None:
    """Why content does not fit its type; `None` if the error says something else.

    An error of the library may quote the content, such as the text that no member of an enum has.
    """
    if not isinstance(error, msgspec.MsgspecError | UnicodeDecodeError):
        return None
    text = str(error)
    path = _PATH.search(text)
    where = "" if path is None else f" at {path[1]}"
    found = _VALUE_FREE.match(text)
    if found is not None:
        return f"{found[0].strip()}{where}"
    return f"a value is not one of those that its type has{where}"
