"""The role of a store that knows how the commands of each process end, and how long they take.

Whoever reads them twice can compare two revisions of a bundle over the same time.
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

BUCKETS: Final = 80
"""Of durations; each is 19 % longer than the one before, so that four of them double it."""
_BEGINS: Final = [0.0001 * 2 ** (place / 4) for place in range(1, BUCKETS)]
"""Where each bucket but the first begins, in seconds."""


@dataclass(frozen=True, slots=True)
class CommandFigures:
    """The commands that one process has executed since it began."""

    process: str
    """Names the process; another one, also one restarted in the same pod, has another name."""
    domain: str
    """Whose commands they are."""
    revision: str
    """Of the code that executed them."""
    commands: int
    """How many ended, however they did."""
    failures: int
    """How many of them failed or ran out of time. A rejection is no failure, nor is a conflict."""
    durations: Sequence[int]
    """How many took how long, by bucket; trailing zeros are left out."""


class Figures(Protocol):
    """Keeps what each process reported last, for ten minutes."""

    async def report(self, figures: CommandFigures) -> None:
        """Replace what a process reported before, and remove what is older than ten minutes.

        Raises:
            StoreUnavailable: the database is away.
        """
        ...

    async def list(self) -> Sequence[CommandFigures]:
        """What each process reported, of all domains, by its name.

        Raises:
            StoreUnavailable: the database is away.
        """
        ...


def bucket_of(seconds: float) -> int:
    """The bucket that counts a duration."""
    return bisect(_BEGINS, seconds)


def begin_of(bucket: int) -> float:
    """The seconds at which a bucket begins."""
    return _BEGINS[bucket - 1] if bucket else 0.0
