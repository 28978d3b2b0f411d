"""The events of the store in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from chekov.errors import (
    DuplicateCommand,
    DuplicateEvent,
    InvalidAppend,
    StoreClosed,
    StreamDeleted,
    StreamExists,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.links import linkable, new_link
from chekov.store.memory.documents import is_json
from chekov.store.memory.history import History
from chekov.store.port import (
    Appended,
    Direction,
    Expected,
    ExpectedVersion,
    NewEvent,
    RecordedEvent,
    StreamAppend,
    StreamInfo,
)
from chekov.store.validation import (
    DELETED,
    LARGEST_PAGE,
    check_append,
    check_expected,
    check_link,
    check_together,
    is_name,
)

_AT_HAND = 1000


class MemoryEvents:
    """Checks what is asked, keeps it in a `History`, and wakes whoever waits."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._entered = 0
        self._history = History()
        self._waiters: set[asyncio.Future[None]] = set()

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        """Store all of `events` at the end of `stream`, or none."""
        check_append(stream, events, expected)
        check_expected(stream, expected)
        [appended] = self._append([StreamAppend(stream, events, expected)], command_id)
        return appended

    async def append_together(self, appends: Sequence[StreamAppend]) -> Sequence[Appended]:
        """Store appends to several streams: all of them or none."""
        check_together(appends)
        for append in appends:
            check_expected(append.stream, append.expected)
        return self._append(appends, None)

    async def link(
        self, stream: str, positions: Sequence[int], *, expected: ExpectedVersion = Expected.ANY
    ) -> Appended:
        """Let events appear in another stream too."""
        self._check_open()
        check_link(stream, positions)
        links = [new_link(stream, linkable(self._history.at(at), at)) for at in positions]
        check_append(stream, links, expected, own=True)
        check_expected(stream, expected)
        [appended] = self._append([StreamAppend(stream, links, expected)], None)
        return appended

    async def delete_stream(
        self, stream: str, *, expected: ExpectedVersion = Expected.ANY, erase: bool = False
    ) -> int:
        """End a stream, and erase it when asked to."""
        self._check_open()
        check_expected(stream, expected)
        history = self._history
        version = history.version(stream)
        if not version:
            raise StreamNotFound(stream)
        if not (erase and stream in history.deleted):
            self._check_version(stream, expected)
        end = NewEvent(uuid4(), DELETED, b"{}", time=self._clock())
        [ending] = history.add(stream, [end], self._clock())
        history.deleted.add(stream)
        if erase:
            history.erase(stream, ending.version + 1)
        self._wake()
        return ending.position

    async def truncate_stream(self, stream: str, *, before: int, erase: bool = False) -> None:
        """Let a stream begin at the version `before`."""
        self._check_open()
        version = self._history.version(stream)
        if not version:
            raise StreamNotFound(stream)
        if stream in self._history.deleted:
            raise StreamDeleted(stream)
        if not 0 < before <= version:
            raise WrongExpectedVersion(stream, before, version)
        self._history.truncate(stream, before)
        if erase:
            self._history.erase(stream, before)

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream."""
        self._check_open()
        return self._history.stream_page(stream, after, min(limit, LARGEST_PAGE), direction, until)

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        types: Collection[str] | None = None,
        category: str | None = None,
        prefix: str | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of everything, by position."""
        self._check_open()
        wanted = None if types is None else frozenset(types)
        begins = "" if category is None else f"{category}-"

        def is_meant(event: RecordedEvent) -> bool:
            return (
                (wanted is None or event.type in wanted)
                and event.stream.startswith(begins)
                and event.stream.startswith(prefix or "")
                and correlation_id in (None, event.correlation_id)
                and causation_id in (None, event.causation_id)
            )

        filtered = (types, category, prefix, correlation_id, causation_id) != (None,) * 5
        count = min(limit, LARGEST_PAGE)
        return self._history.page(after, count, direction, is_meant if filtered else None)

    async def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Everything above a position, up to the end."""
        position = after
        while page := await self.read_page(after=position):
            for event in page:
                yield event
            position = page[-1].position

    async def head(self) -> int:
        """The position of the last event."""
        self._check_open()
        return self._history.head

    async def stream_info(self, stream: str) -> StreamInfo:
        """A stream's version and age."""
        self._check_open()
        if not self._history.version(stream):
            raise StreamNotFound(stream)
        if stream in self._history.deleted:
            raise StreamDeleted(stream)
        return self._history.info(stream)

    async def streams(
        self, *, prefix: str = "", containing: str = "", after: str = "", limit: int = 100
    ) -> Sequence[StreamInfo]:
        """One page of the streams that can be read, by the bytes of their names."""
        self._check_open()
        if not all(is_name(part) for part in (prefix, containing, after) if part):
            return ()
        names = [
            name
            for name in self._history.names()
            if name.startswith(prefix) and containing in name and name > after
        ]
        return [self._history.info(name) for name in names[: max(min(limit, LARGEST_PAGE), 0)]]

    async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
        """Wait until there is something above `position`."""
        self._check_open()
        if self._history.head <= position:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout(wait_for):
                    await waiter
            except TimeoutError:
                return ()
            finally:
                self._waiters.discard(waiter)
            self._check_open()
        return self._history.page(position, _AT_HAND, "forward", None)

    async def ping(self) -> None:
        """Prove that the store answers."""
        self._check_open()

    def _append(self, appends: Sequence[StreamAppend], command_id: UUID | None) -> list[Appended]:
        self._check_open()
        ids: set[UUID] = set()
        if command_id is not None and self._history.is_caused_by(command_id):
            raise DuplicateCommand(command_id)
        for stream, events, expected in appends:
            _check_content(events)
            self._check_version(stream, expected)
            for event in events:
                if event.id in self._history.ids or event.id in ids:
                    raise DuplicateEvent(str(event.id))
                ids.add(event.id)
        now = self._clock()
        answers: list[Appended] = []
        for stream, events, _ in appends:
            recorded = self._history.add(stream, events, now)
            last = recorded[-1]
            answers.append(Appended(stream, last.version, last.position, recorded))
        self._wake()
        return answers

    def _check_open(self) -> None:
        if not self._entered:
            raise StoreClosed("the store is not open: use it inside `async with store:`")

    def _check_version(self, stream: str, expected: ExpectedVersion) -> None:
        actual = self._history.version(stream)
        if stream in self._history.deleted:
            raise StreamDeleted(stream)
        if expected == Expected.STREAM_EXISTS and not actual:
            raise StreamNotFound(stream)
        if expected == Expected.NO_STREAM and actual:
            raise StreamExists(stream, actual)
        if expected > 0 and expected != actual:
            raise WrongExpectedVersion(stream, expected, actual)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def _check_content(events: Sequence[NewEvent]) -> None:
    for event in events:
        if event.data.startswith(b"{") and not is_json(event.data):
            raise InvalidAppend(f"the data of event {event.id} is not a JSON document")
        if event.metadata is not None and not is_json(event.metadata):
            raise InvalidAppend(f"the metadata of event {event.id} is not a JSON document")
