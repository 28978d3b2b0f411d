"""Whether a checkpoint belongs to the log: one of them may have been restored without the other."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from chekov.errors import CheckpointAhead
from chekov.store.port import Claim, RecordedEvent, Store

_ADVICE: Final = (
    "they are not of one store; restore the tables events and subscriptions from one backup, or "
    "set the position of its row in the table subscriptions, then resume it"
)


class LogCheck:
    """Compares the checkpoint of one subscription with the log, before anything is handled.

    A process saves its checkpoints for up to a second after a restore that it has not noticed. Once
    the log is as long again, only the ids of the events show that they are others. So it remembers
    the last events that it handled, which are those of its last checkpoint.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before: RecordedEvent | None = None
        self._events: Sequence[RecordedEvent] = ()
        self._restored = False

    def handling(self, events: Sequence[RecordedEvent]) -> None:
        """Note which events are handled next."""
        if self._events:
            self._before = self._events[-1]
        self._events = events

    def restored(self) -> None:
        """Note that the log was restored since these events were handled."""
        self._restored = True

    async def check(self, claim: Claim) -> None:
        """Check that the log holds what the subscription has handled.

        Raises:
            CheckpointAhead: it ends before the checkpoint, or holds another event there.
            StoreUnavailable: the database is away.
        """
        position = claim.position
        if position > self._store.tail.head.value:
            head = await self._store.head()
            if position > head:
                raise self._ahead(claim, f"the log ends at {head}")
        if not self._restored:
            return
        known = self._id_at(position)
        page = () if known is None else await self._store.read_page(after=position - 1, limit=1)
        # Whatever comes of it, somebody may move the checkpoint now, and what was handled is past.
        self._restored, self._before, self._events = False, None, ()
        if known is not None and (not page or page[0].id != known):
            raise self._ahead(claim, "the log holds another event there since it was restored")

    def _id_at(self, position: int) -> UUID | None:
        known = (self._before, *self._events)
        return next((item.id for item in known if item and item.position == position), None)

    def _ahead(self, claim: Claim, found: str) -> CheckpointAhead:
        return CheckpointAhead(
            f"subscription {claim.key.name!r} has handled events up to position {claim.position}, "
            f"and {found}: {_ADVICE}"
        )
