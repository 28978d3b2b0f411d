"""How new the events are that code can read: the newest revision that it knows of each."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from chekov.domain.messages import REVISION_MARK
from chekov.domain.names import is_name

_FIRST: Final = 1
_NEXT: Final = 8


class _Revision(NamedTuple):
    """A stored name, taken apart."""

    base: str
    number: int


class Revisions:
    """The newest known revision of each event.

    Attributes:
        newest: name without a revision → its newest known revision.

    Args:
        names: stored names that the code can read.
    """

    def __init__(self, names: Iterable[str]) -> None:
        newest: dict[str, int] = {}
        for base, number in map(_revision_of, names):
            newest[base] = max(number, newest.get(base, _FIRST))
        self.newest: Mapping[str, int] = newest

    @property
    def names(self) -> frozenset[str]:
        """Each event with its newest revision, which is always written out."""
        return frozenset(f"{base}{REVISION_MARK}{number}" for base, number in self.newest.items())

    def precede(self, name: str) -> bool:
        """Whether a stored name is a newer revision of an event that is known."""
        base, number = _revision_of(name)
        return number > self.newest.get(base, number)

    def next_of(self, name: str) -> frozenset[str]:
        """The stored names under which the releases after this one store an event."""
        base = _revision_of(name).base
        newest = self.newest.get(base, _FIRST)
        newer = (f"{base}{REVISION_MARK}{newest + n}" for n in range(1, _NEXT + 1))
        return frozenset(filter(is_name, newer))

    def lack(self, others: "Revisions") -> bool:
        """Whether `others` know an event, or a newer revision of one, that these do not."""
        return any(number > self.newest.get(base, 0) for base, number in others.newest.items())


def _revision_of(name: str) -> _Revision:
    base, mark, number = name.rpartition(REVISION_MARK)
    if mark and number.isdecimal():
        return _Revision(base, int(number))
    return _Revision(name, _FIRST)
