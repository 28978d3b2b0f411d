"""What is wrong with a domain or a command, and why one was not executed or not handled."""

from collections.abc import Sequence
from uuid import UUID

from chekov.errors.root import ChekovError


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


class InvalidConsistency(ChekovError):
    """A dispatch asks for a consistency that does not exist; nothing was stored."""

    def __init__(self, consistency: str) -> None:
        super().__init__(
            f"consistency={consistency!r} is neither 'eventual' nor 'strong'; to wait for some "
            f"subscriptions only, give a list of their names, as [{consistency!r}]"
        )


class UnknownSubscription(ChekovError):
    """The domain has no subscription of this name.

    Attributes:
        name: the name that was asked for.
    """

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        self.name = name
        hint = f"; it has {', '.join(known)}" if known else ""
        super().__init__(f"the domain has no subscription {name!r}{hint}")


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
