"""What an event store could not do."""

from uuid import UUID

from chekov.errors.root import ChekovError


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
