"""The one tree of exceptions: each says what was expected, what came and what to do."""

from collections.abc import Sequence
from uuid import UUID


class ChekovError(Exception):
    """Any error that Chekov raises on purpose."""


class DefinitionError(ChekovError, TypeError):
    """The domain is wrong as written; every fault found is listed, not only the first.

    Attributes:
        faults: one sentence a fault, each naming the class or method and the remedy.
    """

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        lines = "".join(f"\n  - {fault}" for fault in self.faults)
        plural = "fault" if len(self.faults) == 1 else "faults"
        super().__init__(f"{subject} has {len(self.faults)} {plural}:{lines}")


class Rejected(ChekovError):
    """A business rule refuses the command; nothing was stored. Domains subclass it.

    The message is the argument, or the first line of the subclass's docstring.
    """

    def __init__(self, message: str | None = None, *args: object) -> None:
        if message is None:
            message = (type(self).__doc__ or type(self).__name__).strip().splitlines()[0]
        super().__init__(message, *args)


class UnknownCommand(ChekovError):
    """The domain has no executor for this command.

    Attributes:
        command: the command's name as it came.
    """

    def __init__(self, command: str, known: Sequence[str] = ()) -> None:
        self.command = command
        hint = f"; it knows {', '.join(sorted(known))}" if known else ""
        super().__init__(f"the domain has no command {command!r}{hint}")


class InvalidCommand(ChekovError):
    """The command's content does not fit its type, or its identifier is unusable.

    Attributes:
        path: the field at fault, as `$.field`, or an empty string.
    """

    def __init__(self, message: str, path: str = "") -> None:
        self.path = path
        super().__init__(message)


class CommandTimeout(ChekovError, TimeoutError):
    """The command did not finish in its time.

    Attributes:
        stored: `False` when certainly nothing was stored; `None` when the append was already
            on its way and may have been stored.
    """

    def __init__(self, command: str, seconds: float, *, stored: bool | None) -> None:
        self.stored = stored
        outcome = (
            "nothing was stored"
            if stored is False
            else "its events may have been stored: read the stream before you send it again"
        )
        super().__init__(f"{command} did not finish within {seconds:g} s; {outcome}")


class CommandIdReused(ChekovError):
    """The id of this command belongs to another one, whose events are stored; nothing was stored.

    Attributes:
        command_id: the id.
        stream: where the events of the command that has it are.
        command: the name of that command, or `None` when it is not known.
    """

    def __init__(self, command_id: UUID, stream: str, command: str | None) -> None:
        self.command_id = command_id
        self.stream = stream
        self.command = command
        super().__init__(
            f"command id {command_id} belongs to {command or 'a command'} on stream {stream!r}: "
            "give each command an id of its own"
        )


class Overloaded(ChekovError):
    """Too many commands wait already; this one was not started. Try again later."""


class Draining(ChekovError):
    """This process is shutting down and takes no further commands. Send it to another."""


class ConsistencyTimeout(ChekovError, TimeoutError):
    """The events are stored, but handlers did not pass them within the time asked for.

    Attributes:
        position: the position that was waited for.
        behind: name of each subscription that is not there yet.
    """

    def __init__(self, position: int, behind: Sequence[str]) -> None:
        self.position = position
        self.behind = tuple(behind)
        super().__init__(
            f"position {position} is stored but not yet handled by {', '.join(self.behind)}"
        )


class StoreError(ChekovError):
    """The event store could not do what was asked."""


class WrongExpectedVersion(StoreError):
    """The stream is not at the version that the append expected; nothing was stored.

    Attributes:
        stream: the stream's name.
        expected: a version, or "no stream" or "stream exists".
        actual: the stream's version; 0 when there is no such stream.
    """

    def __init__(self, stream: str, expected: int | str, actual: int) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        wanted = f"version {expected}" if isinstance(expected, int) else expected
        found = f"version {actual}" if actual else "no such stream"
        super().__init__(f"stream {stream!r}: expected {wanted}, found {found}")


class StreamExists(WrongExpectedVersion):
    """The append expected no stream, and there is one; nothing was stored."""

    def __init__(self, stream: str, actual: int) -> None:
        super().__init__(stream, "no stream", actual)


class StreamNotFound(StoreError):
    """There is no stream of this name.

    Attributes:
        stream: the name that was asked for.
    """

    def __init__(self, stream: str) -> None:
        self.stream = stream
        super().__init__(f"there is no stream {stream!r}")


class StreamDeleted(StoreError):
    """The stream was deleted: it can be neither read nor appended to.

    Attributes:
        stream: the stream's name.
    """

    def __init__(self, stream: str) -> None:
        self.stream = stream
        super().__init__(f"stream {stream!r} is deleted")


class HistoryTruncated(StoreError):
    """The state of an aggregate cannot be made: its first events are gone, and no snapshot fits.

    Attributes:
        stream: the stream's name.
        first: the first version that can be read.
    """

    def __init__(self, stream: str, first: int) -> None:
        self.stream = stream
        self.first = first
        super().__init__(
            f"stream {stream!r} begins at version {first}, and there is no snapshot of the state "
            "before it"
        )


class DuplicateEvent(StoreError):
    """An event of this id is stored already; nothing of this append was stored.

    Attributes:
        event_id: the id that is taken, when it is known.
    """

    def __init__(self, event_id: str | None = None) -> None:
        self.event_id = event_id
        subject = f"event id {event_id}" if event_id else "an event id of this append"
        super().__init__(f"{subject} is stored already")


class DuplicateCommand(StoreError):
    """Events of this command are stored already; nothing of this append was stored.

    Attributes:
        command_id: the command's id.
    """

    def __init__(self, command_id: UUID) -> None:
        self.command_id = command_id
        super().__init__(f"command {command_id} was executed before; its events are stored")


class EventNotFound(StoreError):
    """There is no event at a position, or its content was erased.

    Attributes:
        position: where it was looked for.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(f"there is no event at position {position} that could be linked")


class InvalidAppend(StoreError):
    """The append cannot be stored as it is: a bad stream name, too many or too large events."""


class Undecodable(StoreError):
    """A stored event cannot be turned into its type.

    Attributes:
        type: stored name of the event.
        stream: where it is.
        version: its place in the stream.
    """

    def __init__(self, type_: str, stream: str, version: int, reason: str) -> None:
        self.type = type_
        self.stream = stream
        self.version = version
        super().__init__(f"{type_} at {stream} version {version} cannot be decoded: {reason}")


class KeyUnusable(StoreError):
    """A key of personal data cannot be used, or no master key was found where one should be.

    Most often `CHEKOV_MASTER_KEY_FILE` gives none, or another than the one that wrapped the key.
    """


class StoreUnavailable(StoreError):
    """The store cannot be reached, or refuses work for now; the same call may succeed later.

    Attributes:
        stored: `False` when certainly nothing was stored; `None` when it is not known.
    """

    def __init__(self, message: str, *, stored: bool | None = False) -> None:
        self.stored = stored
        super().__init__(message)


class StoreClosed(StoreError):
    """The store was closed, or is not open yet."""


class SchemaMismatch(StoreError):
    """The database's schema is missing, older or newer than this code needs, or another's.

    Attributes:
        found: version in the database; 0 when there is none.
        needed: version of this code.
        changed: name of a step that is not the one which made the database's schema.
    """

    def __init__(self, schema: str, found: int, needed: int, *, changed: str | None = None) -> None:
        self.found = found
        self.needed = needed
        self.changed = changed
        if changed is not None:
            super().__init__(
                f"schema {schema!r} was made by a step {changed} that differs from this release's: "
                "deploy the release that made it, or move its events by `chekov export` and "
                "`chekov import`"
            )
            return
        remedy = (
            "run `chekov migrate`" if found < needed else "deploy a release that knows this schema"
        )
        state = f"is at version {found}" if found else "holds no event store"
        super().__init__(f"schema {schema!r} {state}, this code needs version {needed}: {remedy}")


class MalformedExport(StoreError):
    """A file of exported events cannot be read on; what came before in it is stored.

    Attributes:
        line: number of the line at fault.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        super().__init__(f"line {line} of the export: {reason}")


class StoreDiverged(StoreError):
    """The store holds other events than the export that was to be added to it.

    Attributes:
        position: the first position where they differ.
    """

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        super().__init__(
            f"the store differs from the export at position {position}: {reason}; import into an "
            "empty schema, or into the one where this import was begun"
        )


class Fenced(StoreError):
    """Another owner has taken this subscription over; the stale owner's write was refused.

    Attributes:
        subscription: the subscription's name.
    """

    def __init__(self, subscription: str) -> None:
        self.subscription = subscription
        super().__init__(f"subscription {subscription!r} is owned by another process now")


class Parked(ChekovError):
    """An event was set aside after its retries; it waits for a person.

    Attributes:
        subscription: whose event it is.
        position: the event's position.
    """

    def __init__(self, subscription: str, position: int, reason: str) -> None:
        self.subscription = subscription
        self.position = position
        super().__init__(f"{subscription} set event {position} aside: {reason}")
