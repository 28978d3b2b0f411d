"""The log of the store in memory: its content, and the rules that every append meets."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from uuid import UUID

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
from chekov.store.memory.documents import is_json
from chekov.store.memory.history import History
from chekov.store.port import (
    Appended,
    CommitReport,
    ConditionFailed,
    Expected,
    ExpectedVersion,
    NewEvent,
    NoneSince,
    StreamAppend,
)
from chekov.store.tail import Tail


class Log:
    """What the roles `events` and `streams` share.

    Attributes:
        history: the events.
        now: the clock.
        tail: is given what is appended, and dropped when something is erased.
        entered: how often the store is entered; 0 when it is closed.
        reports: called after each append, as `Store.reporting_commits` says.
    """

    def __init__(self, clock: Callable[[], datetime], tail: Tail) -> None:
        self.history = History()
        self.now = clock
        self.tail = tail
        self.entered = 0
        self.reports: list[CommitReport] = []
        self._refused: set[UUID] = set()

    def append(
        self,
        appends: Sequence[StreamAppend],
        command_id: UUID | None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> list[Appended]:
        """Store appends: all of them or none."""
        started = perf_counter()
        self.check_open()
        ids: set[UUID] = set()
        if command_id is not None and (
            command_id in self._refused or self.history.is_caused_by(command_id)
        ):
            raise DuplicateCommand(command_id)
        for append in appends:
            if append.stream in self.history.deleted:
                raise StreamDeleted(append.stream)
        self._check_conditions(appends[0].stream, condition, unchanged or {})
        for stream, events, expected in appends:
            _check_content(events)
            self.check_version(stream, expected)
            for event in events:
                if event.id in self.history.ids or event.id in ids:
                    raise DuplicateEvent(str(event.id))
                ids.add(event.id)
        now = self.now()
        answers: list[Appended] = []
        for stream, events, _ in appends:
            recorded = self.history.add(stream, events, now)
            last = recorded[-1]
            answers.append(Appended(stream, last.version, last.position, recorded))
        self.tail.push([event for answer in answers for event in answer.recorded])
        stored, seconds = sum(len(item.events) for item in appends), perf_counter() - started
        for report in self.reports:
            report(len(appends), stored, seconds)
        return answers

    def refuse(self, command_id: UUID) -> bool:
        """Let no append store a command from now on; return whether none did before."""
        if self.history.is_caused_by(command_id):
            return False
        self._refused.add(command_id)
        return True

    def check_open(self) -> None:
        """Raise unless the store is open.

        Raises:
            StoreClosed: it is not.
        """
        if not self.entered:
            raise StoreClosed("the store is not open: use it inside `async with store:`")

    def _check_conditions(
        self, stream: str, condition: NoneSince | None, unchanged: Mapping[str, int]
    ) -> None:
        if condition is not None:
            self.history.check_anchor(condition.position, condition.anchor)
        for other, version in unchanged.items():
            if self.history.version(other) != version:
                raise WrongExpectedVersion(other, version, self.history.version(other))
        if condition is not None:
            for event in self.history.in_scope(condition.scope, condition.position, 1):
                raise ConditionFailed(stream, event.position, event.type)

    def check_version(self, stream: str, expected: ExpectedVersion) -> None:
        """Compare a stream with what an append expects of it.

        Raises:
            StoreError: as `EventStore.append`.
        """
        actual = self.history.version(stream)
        if stream in self.history.deleted:
            raise StreamDeleted(stream)
        if expected == Expected.STREAM_EXISTS and not actual:
            raise StreamNotFound(stream)
        if expected == Expected.NO_STREAM and actual:
            raise StreamExists(stream, actual)
        if expected > 0 and expected != actual:
            raise WrongExpectedVersion(stream, expected, actual)


def _check_content(events: Sequence[NewEvent]) -> None:
    for event in events:
        if event.data.startswith(b"{") and not is_json(event.data):
            raise InvalidAppend(f"the data of event {event.id} is not a JSON document")
        if event.metadata is not None and not is_json(event.metadata):
            raise InvalidAppend(f"the metadata of event {event.id} is not a JSON document")
