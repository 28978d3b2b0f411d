"""The role `streams` in memory."""

from collections.abc import Sequence
from uuid import uuid4

from chekov.domain.names import is_name
from chekov.errors import StreamDeleted, StreamNotFound, WrongExpectedVersion
from chekov.store.links import linkable, new_link
from chekov.store.memory.log import Log
from chekov.store.port import (
    Appended,
    Expected,
    ExpectedVersion,
    NewEvent,
    Snapshot,
    StreamAppend,
    StreamInfo,
)
from chekov.store.validation import DELETED, LARGEST_PAGE, check_append, check_expected, check_link


class MemoryStreams:
    """Deletes, truncates, links and lists the streams of a `Log`, and ends their `snapshots`."""

    def __init__(self, log: Log, snapshots: dict[str, Snapshot]) -> None:
        self._log = log
        self._snapshots = snapshots

    async def delete(
        self, stream: str, *, expected: ExpectedVersion = Expected.ANY, erase: bool = False
    ) -> int:
        """End a stream, and erase its events if asked."""
        self._log.check_open()
        check_expected(stream, expected)
        history = self._log.history
        version = history.version(stream)
        if not version:
            raise StreamNotFound(stream)
        if not (erase and stream in history.deleted):
            self._log.check_version(stream, expected)
        end = NewEvent(uuid4(), DELETED, b"{}", time=self._log.now())
        [ending] = history.add(stream, [end], self._log.now())
        history.deleted.add(stream)
        self._snapshots.pop(stream, None)
        if erase:
            history.erase(stream, ending.version + 1)
            self._log.tail.drop()
            self._log.tail.heard(ending.position)
        else:
            self._log.tail.push([ending])
        return ending.position

    async def truncate(self, stream: str, *, before: int, erase: bool = False) -> None:
        """Let a stream begin at the version `before`."""
        self._log.check_open()
        version = self._log.history.version(stream)
        if not version:
            raise StreamNotFound(stream)
        if stream in self._log.history.deleted:
            raise StreamDeleted(stream)
        if not 0 < before <= version:
            raise WrongExpectedVersion(stream, before, version)
        self._log.history.truncate(stream, before)
        if erase:
            self._log.history.erase(stream, before)
            self._log.tail.drop()

    async def link(
        self, stream: str, positions: Sequence[int], *, expected: ExpectedVersion = Expected.ANY
    ) -> Appended:
        """Let events appear in another stream too."""
        self._log.check_open()
        check_link(stream, positions)
        links = [new_link(stream, linkable(self._log.history.at(at), at)) for at in positions]
        check_append(stream, links, expected, own=True)
        check_expected(stream, expected)
        [appended] = self._log.append([StreamAppend(stream, links, expected)], None)
        return appended

    async def info(self, stream: str) -> StreamInfo:
        """A stream's version and age."""
        self._log.check_open()
        if not self._log.history.version(stream):
            raise StreamNotFound(stream)
        if stream in self._log.history.deleted:
            raise StreamDeleted(stream)
        return self._log.history.info(stream)

    async def list(
        self, *, prefix: str = "", containing: str = "", after: str = "", limit: int = 100
    ) -> Sequence[StreamInfo]:
        """One page of the streams that can be read, ordered by the bytes of their names."""
        self._log.check_open()
        if not all(is_name(part) for part in (prefix, containing, after) if part):
            return ()
        names = [
            name
            for name in self._log.history.names()
            if name.startswith(prefix) and containing in name and name > after
        ]
        return [self._log.history.info(name) for name in names[: max(min(limit, LARGEST_PAGE), 0)]]
