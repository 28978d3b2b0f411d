"""Beginnings of stream names: what a category, a prefix or both ask for."""

from typing import Final

_HIGHEST: Final = chr(0x10FFFF)
_SURROGATES: Final = range(0xD800, 0xE000)


def category_prefix(category: str) -> str:
    """How the names of a category's streams begin."""
    return f"{category}-"


def joint_prefix(one: str, other: str) -> str | None:
    """How names begin that begin in both ways; `None` when none can."""
    shorter, longer = sorted((one, other), key=len)
    return longer if longer.startswith(shorter) else None


def next_prefix(prefix: str) -> str | None:
    """The first name, by its bytes, after all that begin with `prefix`; `None` for no end."""
    kept = prefix.rstrip(_HIGHEST)
    if not kept:
        return None
    follower = ord(kept[-1]) + 1
    # Surrogates are no characters.
    return kept[:-1] + chr(_SURROGATES.stop if follower in _SURROGATES else follower)
