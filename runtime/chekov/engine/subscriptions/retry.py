"""How often a failing event is retried."""

from dataclasses import dataclass

from chekov.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after which delays, a failing event is tried.

    Attributes:
        attempts: how many times in all.
        first: seconds before the second attempt; doubled before each further one.
        longest: the most seconds between two attempts.
    """

    attempts: int = 5
    first: float = 0.1
    longest: float = 30.0

    def backoff(self) -> Backoff:
        """Return the delays between the attempts at one event."""
        return Backoff(self.first, self.longest, spread=(0.75, 1.25))
