"""The role `tag_index` of a sealing store: it hashes the tags whose values are personal."""

from collections.abc import Collection, Sequence

from chekov.store.port import MissingTags, TagFailure, TagIndex, TagKind
from chekov.store.sealing.event_store import SealedEventStore


class SealedTagIndex:
    """Hashes personal tags before they are written.

    Args:
        index: of the store itself.
        events: hashes tags as it does for new events.
    """

    def __init__(self, index: TagIndex, events: SealedEventStore) -> None:
        self._index = index
        self._events = events
        self.attend = index.attend
        self.leave = index.leave
        self.kinds = index.kinds
        self.skip, self.unskip, self.skipped = index.skip, index.unskip, index.skipped

    async def add(
        self,
        writer: str,
        kinds: Collection[TagKind],
        missing: Sequence[MissingTags],
        through: int,
        failed: Sequence[TagFailure] = (),
        *,
        after: int = 0,
    ) -> bool:
        """Write tags of stored events."""
        hashed = await self._events.with_hashed_tags(missing)
        return await self._index.add(writer, kinds, hashed, through, failed, after=after)
