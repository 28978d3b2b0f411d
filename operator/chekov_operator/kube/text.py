"""Text from users' images and pods, made fit for a status, an Event and a terminal."""

import re
from typing import Final

_REASON: Final = re.compile("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_LONGEST_REASON: Final = 1024


def printable(text: str) -> str:
    """A text without control characters, which could move the cursor of who reads it."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def reason_or(text: object, otherwise: str) -> str:
    """A word that the API server accepts as the reason of a condition, or else another one."""
    is_reason = isinstance(text, str) and _REASON.fullmatch(text) is not None
    return str(text) if is_reason and len(str(text)) <= _LONGEST_REASON else otherwise
