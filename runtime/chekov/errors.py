"""The one tree of exceptions: each says what was expected, what came and what to do."""

from collections.abc import Sequence
from uuid import UUID


class ChekovError(Exception):
    """Any error that Chekov raises on purpose."""


class DefinitionError(ChekovError, TypeError):
    """The domain is wrong as written; every fault is listed, not only the first.

    Attributes:
        subject: the domain or class at fault.
        faults: one sentence for each, naming the class or method and the remedy.
    """

    def __init__(self, subject: str, faults: Sequence[str]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        lines = "".join(f"\n  - {fault}" for fault in self.faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"{subject} has {count}:{lines}")


class BundleError(ChekovError):
    """The domain cannot be loaded from its code.

    Attributes:
        reason: one word for machines: the name of the class.
        faults: one sentence for each thing to change; may be empty.
    """

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        self.reason = type(self).__name__
        self.faults = tuple(faults)
        super().__init__(message)


class EntrypointNotFound(BundleError):
    """The entrypoint's module does not exist, or has no such object."""


class ImportFailed(BundleError):
    """The entrypoint's module exists, but importing it raises."""


class NotADomain(BundleError):
    """The entrypoint names an object that is not a `Domain`."""


class InvalidDomain(BundleError):
    """The domain is wrong as written; every fault is listed."""


class InvalidBundleFile(BundleError):
    """The file holds no bundle that can run on this machine."""


class Rejected(ChekovError):
    """A business rule refuses the command; nothing was stored. Domains subclass it.

    The message is the argument, or the first line of the subclass's docstring.
    """

    def __init__(self, message: str | None = None, *args: object) -> None:
        if message is None:
            message = (type(self).__doc__ or type(self).__name__).strip().splitlines()[0]
        super().__init__(message, *args)


class UnknownCommand(ChekovError):
    """The domain has no executor for this command."""

    def __init__(self, command: str, known: Sequence[str] = ()) -> None:
        self.command = command
        hint = f"; it knows {', '.join(sorted(known))}" if known else ""
        super().__init__(f"the domain has no command {command!r}{hint}")


class InvalidCommand(ChekovError):
    """The command's content does not fit its type, or its identifier or metadata is unusable.

    Attributes:
        path: the field at fault, as `$.field`, or an empty string.
    """

    def __init__(self, message: str, path: str = "") -> None:
        self.path = path
        super().__init__(message)


class CommandTimeout(ChekovError, TimeoutError):
    """The command did not finish in time.

    Attributes:
        stored: `False` when nothing was stored; `None` when its append may have succeeded.
    """

    def __init__(self, command: str, seconds: float, *, stored: bool | None) -> None:
        self.stored = stored
        outcome = "nothing was stored"
        if stored is not False:
            outcome = "its events may have been stored: read the stream before you send it again"
        super().__init__(f"{command} did not finish within {seconds:g} s; {outcome}")


class CommandIdReused(ChekovError):
    """Another command with this id was executed; nothing was stored.

    Attributes:
        command_id: the id.
        stream: the stream that the other command's events are in.
        command: the name of the other command; `None` when it is not known.
    """

    def __init__(self, command_id: UUID, stream: str, command: str | None) -> None:
        self.command_id, self.stream, self.command = command_id, stream, command
        super().__init__(
            f"command id {command_id} belongs to {command or 'a command'} on stream {stream!r}: "
            "give each command an id of its own"
        )


class Overloaded(ChekovError):
    """Too many commands are waiting; this one was not started. Try again later."""


class Draining(ChekovError):
    """This process is shutting down and accepts no more commands. Send it to another."""


class InvalidConsistency(ChekovError):
    """A dispatch asks for a consistency that does not exist; nothing was stored."""

    def __init__(self, consistency: object) -> None:
        super().__init__(
            f"consistency={consistency!r} is neither 'eventual' nor 'strong'; to wait for some "
            f"subscriptions only, give a list of their names, as [{consistency!r}]"
        )


class UnknownSubscription(ChekovError):
    """The domain has no subscription of this name."""

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        self.name = name
        hint = f"; it has {', '.join(known)}" if known else ""
        super().__init__(f"the domain has no subscription {name!r}{hint}")


class UnknownQuery(ChekovError, LookupError):
    """No projection of the domain has this query; `query` is its name, as `projection/query`."""

    def __init__(self, query: str, known: Sequence[str] = ()) -> None:
        self.query = query
        super().__init__(f"the domain has no query {query!r}; it has {', '.join(known) or 'none'}")


class InvalidArgument(ChekovError, TypeError, ValueError):
    """A call was given an argument that it cannot use; nothing was done."""


class ConsistencyTimeout(ChekovError, TimeoutError):
    """The events are stored, but some subscriptions did not handle them in time.

    Attributes:
        position: the position that was waited for.
        behind: the names of the subscriptions that have not reached it.
    """

    def __init__(self, position: int, behind: Sequence[str]) -> None:
        self.position, self.behind = position, tuple(behind)
        super().__init__(
            f"position {position} is stored but not yet handled by {', '.join(self.behind)}"
        )


class UnusableState(ChekovError, TypeError):
    """The state of an instance cannot be returned: it cannot be copied, or JSON cannot hold it."""


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
