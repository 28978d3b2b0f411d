"""Whether decisions by tags see every event, and writing the tags that stored events lack."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from chekov.domain.boundary import scopes_of
from chekov.domain.domain import Domain
from chekov.domain.event_filter import EventFilter
from chekov.domain.scope import TAG_MARK, Scope
from chekov.domain.tags import tags_of
from chekov.errors import ChekovError, InvalidAppend, StoreError, TagIndexIncomplete, Undecodable
from chekov.serialization.codec import Codec
from chekov.store.port import (
    Attended,
    EventStore,
    MissingTags,
    RecordedEvent,
    TagFailure,
    TagIndex,
    TagKind,
    TagKindState,
)

TRUST_SECONDS: Final = 5.0
"""For how long a process relies on what it learned. A process that stores events without a tag
waits twice as long first, so that decisions which began in time are stored before."""

_LOOK_SECONDS: Final = 2.0
_HEARD_SECONDS: Final = 20.0
"""Between rounds of a process that decides by no tags."""

_LEAVE_SECONDS: Final = 2.0
_PAGE: Final = 500

_log = logging.getLogger(__name__)


class TagIndexer:
    """Reports which tags this process writes, and finds out by which tags it can decide.

    A decision by a tag is right only if every event has it: those stored before the field became a
    tag, too, and those that a process of another release stores meanwhile. So each process
    reports which tags it gives its events; a kind of tag is complete once no living process stores
    events without it, and one process has written those that were missing.

    Args:
        domain: its events and tags.
        events: reads events whose tags may be missing.
        index: of the store.
        codec: decodes them.
        writer: names this process.
        clock: the time in seconds.
        trust: seconds for which it relies on what it learned.
    """

    def __init__(
        self,
        domain: Domain,
        events: EventStore,
        index: TagIndex,
        codec: Codec,
        writer: str,
        *,
        clock: Callable[[], float] = monotonic,
        trust: float = TRUST_SECONDS,
    ) -> None:
        self._domain = domain
        self._events = events
        self._index = index
        self._codec = codec
        self._writer = writer
        self._now = clock
        self._trust = trust
        written = domain.events if domain.commands else {}
        self._writes = {name: domain.tags.get(kind, ()) for name, kind in written.items()}
        decides = any(scopes_of(aggregate) for aggregate in domain.aggregates)
        self._wanted = [
            TagKind(name, field)
            for kind, fields in domain.tags.items()
            if decides
            for name in domain.stored_names(kind)
            for field in fields
        ]
        self._lock = asyncio.Lock()
        self._found = Attended((), 0, 0)
        self._incomplete: Mapping[TagKind, TagKindState] = {}
        self._looked_at = float("-inf")
        self._trouble = ""
        self._left = False
        self._reported: set[TagFailure | None] = set()

    @property
    def incomplete(self) -> Collection[TagKindState]:
        """The kinds of tags that cannot be decided by yet."""
        return self._incomplete.values()

    @property
    def remaining(self) -> int:
        """Positions up to which events are still to be looked at for missing tags."""
        head = self._found.head
        return max((_goal(each, head) - each.position for each in self.incomplete), default=0)

    @property
    def troubles(self) -> Sequence[str]:
        """What cannot be decided by tags yet, and why, a sentence each."""
        found = [f"{_what(each.tag)}: {_why(each)}" for each in self.incomplete]
        if self._trouble:
            found.append(f"missing tags are not written: {self._trouble}")
        return found

    async def prepare(self) -> None:
        """Be heard of before the first command.

        Where others rely on a tag that this process does not write, it waits until they have
        noticed.
        """
        await self._look()
        if self._found.withdrawn:
            seconds = 2 * self._trust
            _log.warning(
                "this process stores events without tags that others decide by",
                extra={"domain": self._domain.name, "writer": self._writer, "waits": seconds},
            )
            await asyncio.sleep(seconds)

    async def check(self, scope: Scope) -> None:
        """Check that every event in a scope is found.

        Raises:
            TagIndexIncomplete: it may not be.
            StoreUnavailable: the database is away.
        """
        if not self._wanted:
            return
        if self._now() >= self._looked_at + self._trust:
            async with self._lock:
                if self._now() >= self._looked_at + self._trust:
                    await self._look()
        if not self._incomplete:
            return
        for item in scope.items:
            for tag in item.tags:
                kind = tag.partition(TAG_MARK)[0]
                for type_ in sorted(item.types):
                    state = self._incomplete.get(TagKind(type_, kind))
                    if state is not None:
                        raise TagIndexIncomplete(type_, kind, _why(state))

    async def run(self) -> None:
        """Be heard of, and write missing tags where that is for this process to do."""
        while True:
            try:
                await self._look()
                await self._write_missing()
                self._trouble = ""
            except ChekovError as error:
                self._trouble = str(error)
                _log.warning(
                    "missing tags are not written",
                    extra={"domain": self._domain.name, "error": self._trouble},
                )
            await asyncio.sleep(_LOOK_SECONDS if self._wanted else _HEARD_SECONDS)

    async def leave(self) -> None:
        """Report that this process stores no events any more."""
        if self._left:
            return
        with suppress(StoreError, TimeoutError):  # then it is not heard of
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._index.leave(self._writer)
                self._left = True

    async def _look(self) -> None:
        now = self._now()
        self._found = await self._index.attend(
            self._writer, self._domain.name, self._writes, self._wanted
        )
        self._incomplete = {each.tag: each for each in self._found.kinds if not each.is_complete}
        self._looked_at = now

    async def _write_missing(self) -> None:
        """Read the events whose tags may be missing, up to the end of the log, page by page.

        A type with an event whose tags cannot be made waits for the next round, just before it:
        other code may run by then, or the event be skipped.
        """
        stopped: set[TagKind] = set()
        while behind := [each for each in self._behind() if each.tag not in stopped]:
            kinds = {each.tag for each in behind}
            after, head = min(each.position for each in behind), self._found.head
            types = EventFilter(types=frozenset(tag.type for tag in kinds))
            page = await self._events.read_page(after=after, limit=_PAGE, filter=types)
            through = page[-1].position if len(page) == _PAGE else head
            missing, failed = self._missing_in(page, kinds)
            if not await self._index.add(
                self._writer, kinds, missing, through, failed, after=after
            ):
                return
            await self._look()
            self._report()
            stopped = {each.tag for each in self.incomplete if each.stopped is not None}

    def _missing_in(
        self, page: Sequence[RecordedEvent], kinds: Collection[TagKind]
    ) -> tuple[Sequence[MissingTags], Sequence[TagFailure]]:
        missing: list[MissingTags] = []
        failed: list[TagFailure] = []
        for event in page:
            try:
                tags = self._tags_of(event, kinds)
            except Undecodable as error:
                failed.append(TagFailure(event.position, event.type, str(error)))
            except InvalidAppend:
                # Its sentence shows the value, which may be personal.
                fault = "a field that is a tag holds a value that cannot be one"
                failed.append(TagFailure(event.position, event.type, fault))
            else:
                if tags:
                    missing.append(MissingTags(event, tags))
        return missing, failed

    def _report(self) -> None:
        """Log each event at which a type has stopped, once."""
        for failure in {each.stopped for each in self.incomplete} - self._reported:
            if failure is not None:
                self._reported.add(failure)
                _log.error(
                    "the tags of an event cannot be made",
                    extra={
                        "domain": self._domain.name,
                        "position": failure.position,
                        "event": failure.type,
                        "error": failure.error,
                    },
                )

    def _behind(self) -> Sequence[TagKindState]:
        head = self._found.head
        return [
            each for each in self.incomplete if each.owned and each.position < _goal(each, head)
        ]

    def _tags_of(self, recorded: RecordedEvent, kinds: Collection[TagKind]) -> Sequence[str]:
        tags: dict[str, None] = {}
        for event in self._codec.decode_all(recorded):
            fields = self._domain.tags.get(type(event), ())
            names = [field for field in fields if TagKind(recorded.type, field) in kinds]
            tags.update(dict.fromkeys(tags_of(event, names)))
        return list(tags)


def _goal(state: TagKindState, head: int) -> int:
    return head if state.target is None else state.target


def _what(tag: TagKind) -> str:
    return f"events of type {tag.type} are not all found by {tag.kind}"


def _why(state: TagKindState) -> str:
    if state.without:
        return f"{', '.join(state.without)} may store some without this tag, until it ends"
    if state.target is None:
        return "a process of a former release ended, and may have stored some since"
    if state.stopped is not None:
        return (
            f"the tags of the event at position {state.stopped.position} cannot be made: see "
            "`chekov tags`"
        )
    return f"{state.position} of {state.target} positions are looked through for missing tags"
