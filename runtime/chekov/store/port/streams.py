"""The role of a store that manages streams: ends, truncates, links and lists them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from chekov.store.port.event_store import Appended, Expected, ExpectedVersion


class StreamInfo(NamedTuple):
    """A stream at a glance."""

    stream: str
    version: int
    created: datetime
    first: int = 1
    """The first version that can be read; above 1 when the stream was truncated."""


class Streams(Protocol):
    """Deletes, truncates, links and lists streams.

    Any call may raise `StoreUnavailable` while the database is away and `StoreClosed` after
    closing.
    """

    async def delete(
        self, stream: str, *, expected: ExpectedVersion = Expected.ANY, erase: bool = False
    ) -> int:
        """End a stream: it can be neither read nor appended to, and the log still holds its events.

        The end is an event of type `$deleted` in the stream.

        Args:
            stream: its name.
            expected: the version the stream must be at.
            erase: remove the content of its events for good. Their positions stay, as events of
                type `$erased` in the stream `$erased`, so that positions remain contiguous. The
                name is free again, also when the stream had been deleted before.

        Returns:
            The position of the last event that this stored.

        Raises:
            StreamNotFound: the stream does not exist.
            StreamDeleted: it was deleted before.
            WrongExpectedVersion: it is not at the version `expected`.
        """
        ...

    async def truncate(self, stream: str, *, before: int, erase: bool = False) -> None:
        """Let a stream begin at the version `before`; the log still holds the earlier events.

        Args:
            stream: its name.
            before: a version of the stream, so that its last event stays.
            erase: remove the content of the earlier events for good, as `delete` does.

        Raises:
            StreamNotFound: the stream does not exist.
            StreamDeleted: it was deleted.
            WrongExpectedVersion: it has no version `before`.
        """
        ...

    async def link(
        self, stream: str, positions: Sequence[int], *, expected: ExpectedVersion = Expected.ANY
    ) -> Appended:
        """Let events appear in another stream too, in the order of `positions`.

        Each becomes an event of type `$link`, which reading the stream resolves.

        Raises:
            EventNotFound: there is no event at a position.
            DuplicateEvent: one of the events is linked in this stream already.
            StoreError: as `EventStore.append`.
        """
        ...

    async def info(self, stream: str) -> StreamInfo:
        """A stream's version and age.

        Raises:
            StreamNotFound: the stream does not exist.
            StreamDeleted: it was deleted.
        """
        ...

    async def list(
        self, *, prefix: str = "", containing: str = "", after: str = "", limit: int = 100
    ) -> Sequence[StreamInfo]:
        """One page of the streams that can be read, ordered by the bytes of their names.

        Args:
            prefix: only streams whose names start with it.
            containing: only streams whose names contain it; this scans every name.
            after: the last name of the previous page.
            limit: at most this many streams; a page never has more than 10,000.
        """
        ...
