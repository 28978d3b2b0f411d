"""How much memory the process may take, as its container limits it."""

from pathlib import Path
from typing import Final

_CGROUPS: Final = Path("/sys/fs/cgroup")
_FILES: Final = ("memory.max", "memory/memory.limit_in_bytes")
"""Of the second version of control groups, and of the first."""

_NONE_FROM: Final = 2**60
"""The first version writes no limit as a number about as high as there are."""


def memory_limit(cgroups: Path = _CGROUPS) -> int | None:
    """The limit in bytes; `None` without one, or where it cannot be read."""
    for name in _FILES:
        try:
            text = (cgroups / name).read_text("ascii").strip()
        except OSError:
            continue
        return int(text) if text.isdecimal() and int(text) < _NONE_FROM else None
    return None
