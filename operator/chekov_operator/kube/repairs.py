"""How often fields of children were set back, so that a fight with another writer slows down.

An operator that sets a field back each time somebody changes it, as another controller may do
without end, would keep both of them and the API server busy.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

FREE_REPAIRS: Final = 3
"""Repairs of one field without a pause: a person's edit, or a tool's, is set back at once."""
FIRST_SECONDS: Final = 2.0
LONGEST_SECONDS: Final = 300.0


@dataclass(slots=True)
class _Repairs:
    count: int = 0
    last: float = float("-inf")

    @property
    def pause(self) -> float:
        """Seconds between the last repair and the next one."""
        extra = self.count - FREE_REPAIRS
        return 0.0 if extra < 0 else min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(extra, 16))


@dataclass(slots=True)
class ChildRepairs:
    """The repairs of one child, field by field.

    Args:
        clock: monotonic seconds.
    """

    clock: Callable[[], float]
    _fields: dict[str, _Repairs] = field(default_factory=dict[str, _Repairs])

    def is_due(self, paths: Iterable[str]) -> bool:
        """Whether one of the fields may be set back now."""
        now = self.clock()
        return any(
            found is None or now - found.last >= found.pause
            for found in (self._fields.get(path) for path in paths)
        )

    def count(self, paths: Iterable[str]) -> None:
        """Note that the fields are set back now."""
        now = self.clock()
        for path in paths:
            found = self._fields.setdefault(path, _Repairs())
            found.count += 1
            found.last = now

    def contested(self) -> dict[str, float]:
        """The fields that somebody keeps changing, each with the seconds until it is looked at.

        A field is contested no longer once it has stayed as it is for twice its pause.
        """
        now = self.clock()
        found: dict[str, float] = {}
        for path, repairs in list(self._fields.items()):
            due, quiet = repairs.last + repairs.pause, repairs.last + 2 * repairs.pause
            if now > max(quiet, repairs.last + LONGEST_SECONDS):
                del self._fields[path]
            elif repairs.count >= FREE_REPAIRS and now < quiet:
                found[path] = (due if now < due else quiet) - now
        return found
