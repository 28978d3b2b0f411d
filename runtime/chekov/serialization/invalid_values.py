"""What msgspec refuses, as an error that says which field is at fault."""

import re
from typing import Final, NoReturn

import msgspec

from chekov.errors import InvalidCommand

_AT: Final = re.compile(r" - at `(?P<path>\$[^`]*)`\Z")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]+)`")


def refuse(error: Exception) -> NoReturn:
    """Raise `InvalidCommand` with the path of the field at fault, as `$.field`."""
    message = str(error)
    at = _AT.search(message)
    path = at["path"] if at else ""
    missing = _MISSING.match(message)
    if missing:
        path = f"{path or '$'}.{missing['field']}"
    elif isinstance(error, msgspec.ValidationError) and not path:
        path = "$"
    raise InvalidCommand(_AT.sub("", message), path) from error
