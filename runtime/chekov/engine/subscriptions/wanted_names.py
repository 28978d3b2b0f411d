"""Which stored names are read as certain event types."""

from collections.abc import Collection
from typing import Final

from chekov.domain.definitions import definition_of
from chekov.domain.messages import REVISION_MARK, Event
from chekov.serialization.codec import Codec

_MOST_NAMES: Final = 10_000


class WantedNames:
    """The stored names of events of some types.

    Attributes:
        decided: stored name → whether its events are wanted, for the names asked so far.

    Args:
        kinds: the types that are wanted, of those of the domain.
        codec: knows their names.
    """

    def __init__(self, kinds: Collection[type[Event]], codec: Codec) -> None:
        self._codec = codec
        self._bases = {definition_of(kind).base_name for kind in kinds}
        self.decided = {name: True for kind in kinds for name in codec.stored_names(kind)}

    def wants(self, name: str) -> bool:
        """Whether events of a stored name are wanted.

        Unknown newer revisions of a wanted event are: during a rolling upgrade, an old pod must not
        skip what a new pod recorded.
        """
        wanted = self.decided.get(name)
        if wanted is None:
            wanted = self._is_unknown_revision(name)
            # Bounded, so that names invented by callers do not fill the memory.
            if len(self.decided) < _MOST_NAMES:
                self.decided[name] = wanted
        return wanted

    def _is_unknown_revision(self, name: str) -> bool:
        base, mark, revision = name.partition(REVISION_MARK)
        is_revision = base in self._bases and (not mark or revision.isdecimal())
        return is_revision and not self._codec.knows(name)
