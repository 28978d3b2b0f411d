"""The role of a store that keeps process managers: states, waiting commands and timers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from chekov.store.port.parking import ParkingEntry
from chekov.store.port.subscription_key import SubscriptionKey
from chekov.store.port.subscriptions import Claim


def instance_key(name: str, instance: str) -> str:
    """The key that a parked event of an instance blocks; the statements of Postgres know it too."""
    return f"{name}-{instance}"


class ProcessState(NamedTuple):
    """An open instance of a process manager."""

    instance: str
    begun_by: UUID
    """The input that began it, which tells it from a later one of the same name."""
    begun: datetime
    data: bytes


class OutgoingCommand(NamedTuple):
    """A command that an instance sends."""

    instance: str
    begun_by: UUID
    """The input that began the instance."""
    id: UUID
    """Its command id."""
    command: str
    """Its name."""
    data: bytes
    correlation_id: UUID | None
    causation_id: UUID | None
    metadata: bytes | None
    """Of the input that led to it: a JSON object."""


class QueuedCommand(NamedTuple):
    """A command in the outbox: it is to be sent, or its refusal is to be handled."""

    number: int
    """Orders the commands of one process manager."""
    sent: OutgoingCommand
    time: datetime
    """When it was put there."""
    refusal: bytes | None = None
    """Why it was refused; `None` while it is to be sent."""
    error: str | None = None
    """Why handling the refusal keeps failing; then it is set aside."""
    retried: bool = False
    """Whether somebody lets it be handled again."""


class PendingTimer(NamedTuple):
    """A timer of an instance, or a command that it sends later."""

    instance: str
    name: str
    """Of the timer: an instance has one of a name; of a command, `$` and its id."""
    id: UUID
    due: datetime
    command: str | None
    """The name of the command; `None` for a timer."""
    data: bytes
    begun_by: UUID
    correlation_id: UUID | None
    causation_id: UUID | None
    metadata: bytes | None
    error: str | None = None
    """Why handling it keeps failing; then it is set aside."""
    retried: bool = False
    """Whether somebody lets it be handled again."""


ProcessInput: TypeAlias = QueuedCommand | PendingTimer
"""What is handled beside events: a refusal, or a timer that is due."""


class ProcessChanges(NamedTuple):
    """What a batch of inputs leads to. It is stored as a whole, in the order of these fields."""

    finished: Collection[str] = ()
    """Instances that end, with their timers."""
    removed: Collection[tuple[str, str]] = ()
    """Timers that end, by instance and name."""
    answered: Collection[int] = ()
    """Refused commands that were handled, by number."""
    states: Sequence[ProcessState] = ()
    timers: Sequence[PendingTimer] = ()
    """Each replaces the one of the same instance and name."""
    commands: Sequence[OutgoingCommand] = ()


class DiscardedInput(NamedTuple):
    """A refusal or a timer that was given up."""

    number: int
    """Orders them by the time when that was."""
    key: SubscriptionKey
    instance: str
    input: str
    """The name of the refused command, or of the timer."""
    id: UUID
    """The same."""
    error: str
    """Why handling it failed."""
    reason: str
    """Why it was given up."""
    time: datetime


class OpenInstance(NamedTuple):
    """An open instance as people look at it."""

    key: SubscriptionKey
    state: ProcessState
    commands: Sequence[QueuedCommand]
    timers: Sequence[PendingTimer]


class ChainedCommands(NamedTuple):
    """The commands of one process manager with one correlation id that are not done."""

    correlation_id: UUID
    name: str
    """Of the process manager."""
    set_aside: bool
    """Whether the refusal of one cannot be handled."""


class ProcessFigures(NamedTuple):
    """How much one process manager has at hand."""

    key: SubscriptionKey
    instances: int
    pending: int
    """Commands in the outbox."""
    oldest: float
    """Seconds since the first of them was put there."""
    overdue: float
    """Seconds since the first timer that is due should have been handled."""


class Processes(Protocol):
    """Keeps the instances, the outbox and the timers of process managers.

    Writes are fenced by the epoch of a claim on the process manager's subscription. Any call may
    raise `StoreUnavailable` while the database is away and `StoreClosed` after closing.
    """

    async def load(
        self, key: SubscriptionKey, instances: Collection[str]
    ) -> Mapping[str, ProcessState]:
        """Those of `instances` that are open."""
        ...

    async def commit(
        self,
        claim: Claim,
        position: int,
        changes: ProcessChanges,
        *,
        parked: Sequence[ParkingEntry] = (),
        unpark: int | None = None,
    ) -> Sequence[int]:
        """Store `changes` and move the checkpoint forward to `position`, in one transaction.

        Args:
            claim: under which it is stored.
            position: of the checkpoint; a lower one changes nothing about it.
            changes: of the instances.
            parked: events that are set aside with it.
            unpark: the position of a parked event that is removed with it.

        Returns:
            The numbers of the commands in the outbox, in their order.

        Raises:
            Fenced: the claim is stale, or somebody discarded the parked event; nothing is stored.
            StoreUnavailable: the connection was lost, and whether it is stored is not known: claim
                again to learn the checkpoint, and read the inputs anew.
        """
        ...

    async def pending(
        self, key: SubscriptionKey, *, after: int = 0, limit: int = 500
    ) -> Sequence[QueuedCommand]:
        """The next commands to send, by number above `after`."""
        ...

    async def settle(
        self, claim: Claim, sent: Collection[int], refused: Mapping[int, bytes]
    ) -> None:
        """Take executed commands out of the outbox, and keep why others were refused.

        One that was refused before stays so, also if it is among `sent`.

        From then on, an append with the id of a refused command fails with `DuplicateCommand`. One
        whose events are stored already, by a former owner, is taken out as executed.

        Raises:
            Fenced: the claim is stale; nothing is stored.
        """
        ...

    async def inputs(self, key: SubscriptionKey, *, limit: int = 500) -> Sequence[ProcessInput]:
        """Refusals in order of their commands, then due timers by time; one for each instance.

        Of an instance with an input that was set aside, nothing else is returned, and that once it
        was released. Nothing is returned of an instance with a parked event, which comes first.
        """
        ...

    async def next_due(self, key: SubscriptionKey) -> float | None:
        """Seconds until the next timer is due, by the store's clock; `None` when there is none.

        Of timers, those count that `inputs` would return.
        """
        ...

    async def set_aside(
        self, claim: Claim, item: ProcessInput, *, error: str, discarded: str | None = None
    ) -> None:
        """Keep an input that cannot be handled, with the reason, until it is released.

        Args:
            claim: under which it is stored.
            item: the input.
            error: why it cannot be handled.
            discarded: why it is not kept, but given up at once.

        Raises:
            Fenced: the claim is stale; nothing is stored.
        """
        ...

    async def withheld(self, key: SubscriptionKey) -> Collection[str]:
        """The instances with an input that was set aside, and was not handled since."""
        ...

    async def release(self, domain: str, name: str, *, instance: str | None = None) -> int:
        """Let inputs that were set aside be handled again, and return how many there were.

        Args:
            domain: whose process managers these are.
            name: of the process manager.
            instance: only those of one instance.
        """
        ...

    async def discard(
        self, domain: str, name: str, *, reason: str, instance: str | None = None
    ) -> int:
        """Give up inputs that were set aside, and return how many there were.

        Those that were released are left to the owner.

        Args:
            domain: whose process managers these are.
            name: of the process manager.
            reason: is kept with them.
            instance: only those of one instance.
        """
        ...

    async def discarded(
        self, domain: str, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedInput]:
        """Inputs that were given up, by number above `after`."""
        ...

    async def list(
        self, domain: str, name: str | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[OpenInstance]:
        """Open instances of a domain's process managers, by name, with what they wait for.

        Args:
            domain: whose.
            name: of one process manager; of all by default.
            after: only instances whose name is above this.
            limit: at most this many.
        """
        ...

    async def chained(
        self, domain: str, correlation_ids: Collection[UUID]
    ) -> Sequence[ChainedCommands]:
        """What process managers of a domain have left to do of some chains.

        That is commands that are to be sent, and refusals that are to be handled.
        """
        ...

    async def figures(self, domain: str) -> Sequence[ProcessFigures]:
        """How much each process manager of a domain has at hand."""
        ...
