"""Prefixes of stream names."""

from typing import Final

_HIGHEST: Final = chr(0x10FFFF)
_SURROGATES: Final = range(0xD800, 0xE000)


def category_prefix(category: str) -> str:
    """The prefix of the names of a category's streams."""
    return f"{category}-"


def common_prefix(one: str, other: str) -> str | None:
    """The prefix of names that have both prefixes; `None` when no name can."""
    shorter, longer = sorted((one, other), key=len)
    return longer if longer.startswith(shorter) else None


def next_prefix(prefix: str) -> str | None:
    """The first name, in byte order, after all names with a prefix; `None` when there is none."""
    kept = prefix.rstrip(_HIGHEST)
    if not kept:
        return None
    follower = ord(kept[-1]) + 1
    # Surrogates are not characters.
    return kept[:-1] + chr(_SURROGATES.stop if follower in _SURROGATES else follower)
