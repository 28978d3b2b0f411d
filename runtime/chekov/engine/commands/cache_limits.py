"""How many aggregates a process holds in memory, and for how long."""

from dataclasses import dataclass
from datetime import timedelta

from chekov.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """The bounds of the live aggregates of a process; beyond them, the least recently used go.

    Attributes:
        instances: how many; those of one class also by its keyword `cache`.
        bytes: what their states take together, as estimated.
        idle: how long one may stay unused, unless its class has the keyword `idle`; `None` for as
            long as there is room.

    Raises:
        InvalidArgument: a bound is not above 0.
    """

    instances: int = 100_000
    bytes: int = 128 * 1024 * 1024
    idle: timedelta | None = None

    def __post_init__(self) -> None:
        for name in ("instances", "bytes"):
            value: object = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InvalidArgument(f"{name}={value!r:.60}: expected a whole number from 1")
        if self.idle is not None and self.idle <= timedelta(0):
            raise InvalidArgument(f"idle={self.idle}: expected a time above 0, or None")
