"""Names that are stored: of streams and of event types."""

from typing import Final

NAME_BYTES: Final = 1000
"""Longest name of a stream or an event type, in UTF-8: an index entry must hold it."""

OWN: Final = "$"
"""How the names of the store's own types and streams begin."""

UUID_BYTES: Final = 36
"""Length of a UUID as text, the usual identifier."""


def is_name(name: str) -> bool:
    """Whether a stream or an event type can be called `name`."""
    if not name or "\0" in name:
        return False
    try:
        return len(name.encode()) <= NAME_BYTES
    except UnicodeEncodeError:
        return False
