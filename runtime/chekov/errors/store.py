"""Why the event store refuses, or cannot do, what it is asked."""

from uuid import UUID

from chekov.errors.base import ChekovError


class StoreError(ChekovError):
    """The event store refused or failed."""


class WrongExpectedVersion(StoreError):
    """The stream is not at the version that the append expected; nothing was stored.

    Attributes:
        expected: a version, or "no stream" or "stream exists".
        actual: the stream's version; 0 when it does not exist.
    """

    def __init__(self, stream: str, expected: int | str, actual: int) -> None:
        self.stream, self.expected, self.actual = stream, expected, actual
        wanted = f"version {expected}" if isinstance(expected, int) else expected
        found = f"version {actual}" if actual else "no such stream"
        super().__init__(f"stream {stream!r}: expected {wanted}, found {found}")


class StreamExists(WrongExpectedVersion):
    """The append expected no stream, and it exists; nothing was stored."""

    def __init__(self, stream: str, actual: int) -> None:
        super().__init__(stream, "no stream", actual)


class TooManyConflicts(StoreError):
    """Others changed the stream at each of so many attempts; nothing was stored. Send it again."""

    def __init__(self, stream: str, attempts: int) -> None:
        self.stream, self.attempts = stream, attempts
        super().__init__(f"others changed stream {stream!r} at each of {attempts} attempts")


class StreamNotFound(StoreError):
    """No stream has this name."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        super().__init__(f"there is no stream {stream!r}")


class StreamDeleted(StoreError):
    """The stream was deleted: it can be neither read nor appended to."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        super().__init__(f"stream {stream!r} is deleted")


class HistoryTruncated(StoreError):
    """An aggregate cannot be rehydrated: its first events are gone, and no snapshot fits.

    Attributes:
        first: the first version that can be read.
    """

    def __init__(self, stream: str, first: int) -> None:
        self.stream, self.first = stream, first
        missing = "there is no snapshot of the state before it"
        super().__init__(f"stream {stream!r} begins at version {first}, and {missing}")


class DuplicateEvent(StoreError):
    """An event with this id is stored already; nothing of this append was stored.

    Attributes:
        event_id: the id, when it is known.
    """

    def __init__(self, event_id: str | None = None) -> None:
        self.event_id = event_id
        subject = f"event id {event_id}" if event_id else "an event id of this append"
        super().__init__(f"{subject} is stored already")


class DuplicateCommand(StoreError):
    """Events of this command are stored already; nothing of this append was stored."""

    def __init__(self, command_id: UUID) -> None:
        self.command_id = command_id
        super().__init__(f"command {command_id} was executed before; its events are stored")


class EventNotFound(StoreError):
    """No event is at this position, or its content was erased."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(f"there is no event at position {position} that could be linked")


class InvalidAppend(StoreError):
    """The append cannot be stored: a bad stream name, too many or too large events."""


class InexactEvent(InvalidAppend):
    """A value of an event would be read as another one; nothing was stored.

    Attributes:
        event: the name of its class.
        field: the way to the value, as `lines[0].price`.
        given: the value.
        back: what the serializer makes of it; types, if the field is personal.
    """

    def __init__(self, event: str, field: str, given: object, back: object) -> None:
        self.event, self.field, self.given, self.back = event, field, given, back
        super().__init__(
            f"{event}.{field} is {given!r:.200}, and would be read as {back!r:.200}: give it the "
            "value that its annotation has, or annotate it with its exact type (see "
            "docs/reference/field-types.md)"
        )


class Undecodable(StoreError):
    """A stored event cannot be decoded into its type.

    Attributes:
        type: stored name of the event.
        stream: the stream it is in.
        version: its place in the stream.
    """

    def __init__(self, type_: str, stream: str, version: int, reason: str) -> None:
        self.type, self.stream, self.version = type_, stream, version
        super().__init__(f"{type_} at {stream} version {version} cannot be decoded: {reason}")


class NewerRevision(Undecodable):
    """Newer code stored the event, in a revision that this code does not know.

    It is read again once this process has made way for the newer code, as it does in a rollout.
    """


class KeyUnusable(StoreError):
    """A key of personal data cannot be used, or the master key is missing.

    Most often `CHEKOV_MASTER_KEY_FILE` names no key, or another than the one that wrapped it.
    """


class StoreUnavailable(StoreError):
    """The store cannot be reached or refuses work for now; the same call may succeed later.

    Attributes:
        stored: `False` when nothing was stored; `None` when that is not known.
    """

    def __init__(self, message: str, *, stored: bool | None = False) -> None:
        self.stored = stored
        super().__init__(message)


class IdentityTaken(StoreError):
    """Another domain on the same store has an aggregate of the same identity.

    Both would write the same streams, by different rules.

    Attributes:
        identity: of the aggregates.
        domain: the one that was to be started.
        other: the one that has it.
    """

    def __init__(self, identity: str, domain: str, other: str, node: str) -> None:
        self.identity, self.domain, self.other = identity, domain, other
        super().__init__(
            f"the domains {domain!r} and {other!r} both have an aggregate with the identity "
            f"{identity!r}, and {other!r} runs on this store, in {node}: rename one by identity=…, "
            "or give each a store, or a schema, of its own; if it is the former name of the same "
            "domain, stop it first"
        )


class AnotherStore(StoreUnavailable):
    """The database's address leads to another store than the one that was opened."""


class CheckpointAhead(StoreError):
    """A subscription has handled more than the log holds: it is not of this log."""


class StoreClosed(StoreError):
    """The store was closed, or is not open yet."""


class SchemaMismatch(StoreError):
    """The database's schema is missing, older or newer than this code needs, or another's.

    Attributes:
        found: version in the database; 0 when there is none.
        needed: version of this code.
        changed: the migration that differs from the one which made the schema; else `None`.
    """

    def __init__(self, schema: str, found: int, needed: int, *, changed: str | None = None) -> None:
        self.found, self.needed, self.changed = found, needed, changed
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
    """A file of exported events cannot be read any further; the lines before are imported.

    Attributes:
        line: number of the line at fault.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        super().__init__(f"line {line} of the export: {reason}")


class StoreDiverged(StoreError):
    """The store holds other events than the export that is imported into it.

    Attributes:
        position: the first position where they differ.
    """

    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        where = f"the store differs from the export at position {position}"
        remedy = "import into an empty schema, or into the one where this import was begun"
        super().__init__(f"{where}: {reason}; {remedy}")


class Fenced(StoreError):
    """Another process has taken this subscription over; the former owner's write was refused."""

    def __init__(self, subscription: str) -> None:
        self.subscription = subscription
        super().__init__(f"subscription {subscription!r} is owned by another process now")
