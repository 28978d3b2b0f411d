"""What is to happen to an event that a handler fails on: for its author to say."""

from dataclasses import dataclass
from math import isfinite
from typing import Final, Literal, TypeAlias

from chekov.backoff import Backoff

OnFailure = Literal["park", "skip", "stop"]

ON_FAILURE: Final = ("park", "skip", "stop")


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


def retry_fault(retry: object) -> str:
    """What is wrong with the value of a keyword `retry`; empty if nothing is."""
    if not isinstance(retry, Retry):
        return f"retry {retry!r} is not a Retry(attempts=…, first=…, longest=…)"
    if retry.attempts < 1:
        return f"retry: attempts {retry.attempts} must be 1 or more"
    if (
        not (isfinite(retry.first) and isfinite(retry.longest))
        or min(retry.first, retry.longest) < 0
    ):
        return (
            f"retry: first {retry.first:g} and longest {retry.longest:g} must be seconds from 0 on"
        )
    return ""


@dataclass(frozen=True, slots=True)
class Again:
    """Try the event again.

    Attributes:
        after: seconds to wait before.
    """

    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Park:
    """Set the event aside until somebody retries or discards it; its key waits, others go on."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Go on without the event for good; it is recorded among the discarded ones."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the subscription before the event until somebody resumes it."""


Decision: TypeAlias = Again | Park | Skip | Stop

DECISIONS: Final = {"park": Park(), "skip": Skip(), "stop": Stop()}
