"""Why a command, a query or a wait for subscriptions has no answer."""

from collections.abc import Sequence
from uuid import UUID

from chekov.errors.base import ChekovError


class Forbidden(ChekovError, PermissionError):
    """The principal may not do this; nothing was done."""


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


class TooManyRecurring(ChekovError):
    """The domain has as many recurring commands as it may have; this one was not scheduled.

    Attributes:
        domain: its name.
        most: how many it may have.
    """

    def __init__(self, domain: str, most: int) -> None:
        self.domain, self.most = domain, most
        super().__init__(
            f"domain {domain!r} has {most:,} recurring commands, and may not have more: cancel "
            "those that nobody needs, or raise max_recurring (CHEKOV_MAX_RECURRING)"
        )


class Overloaded(ChekovError):
    """Too many commands are waiting; this one was not started. Try again later."""


class RateLimited(ChekovError):
    """A sender sends too many commands; this one was not started.

    Attributes:
        sender: who.
        seconds: after which one more is accepted.
    """

    def __init__(self, sender: str, seconds: float) -> None:
        self.sender, self.seconds = sender, seconds
        super().__init__(f"{sender[:100]!r} sends too many commands; wait {seconds:.3g} s")


class Draining(ChekovError):
    """This process is shutting down and accepts no more commands. Send it to another."""


class TagIndexIncomplete(ChekovError):
    """Events that a decision depends on may not be found by their tags yet; nothing was stored.

    Attributes:
        event: the stored name of their type.
        kind: of the tag.
    """

    def __init__(self, event: str, kind: str, reason: str) -> None:
        self.event, self.kind = event, kind
        super().__init__(
            f"events of type {event} are not all found by {kind} yet: {reason}; send the command "
            "again later"
        )


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


class HandlerFailed(ChekovError):
    """The events are stored, but handlers failed on one, which is parked or skipped.

    Attributes:
        position: the position that was waited for.
        failed: the names of the subscriptions that set an event aside.
    """

    def __init__(self, position: int, failed: Sequence[str]) -> None:
        self.position, self.failed = position, tuple(failed)
        super().__init__(
            f"position {position} is stored, but was set aside by {', '.join(self.failed)}: see "
            "`chekov subscriptions parked` and `discarded`"
        )


class UnusableState(ChekovError, TypeError):
    """The state of an instance cannot be returned: it cannot be copied, or JSON cannot hold it."""
