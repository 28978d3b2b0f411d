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
    ) -> None:
        """Store `changes` and move the checkpoint forward to `position`, in one transaction.

        Args:
            claim: under which it is stored.
            position: of the checkpoint; a lower one changes nothing about it.
            changes: of the instances.
            parked: events that are set aside with it.
            unpark: the position of a parked event that is removed with it.

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

        From then on, an append with the id of a refused command fails with `DuplicateCommand`. One
        whose events are stored already, by a former owner, is taken out as executed.

        Raises:
            Fenced: the claim is stale; nothing is stored.
        """
        ...

    async def inputs(self, key: SubscriptionKey, *, limit: int = 500) -> Sequence[ProcessInput]:
        """Refusals in order of their commands, then due timers by time; one for each instance.

        Those that were set aside are left out, and those of instances with a parked event, which
        come after it.
        """
        ...

    async def next_due(self, key: SubscriptionKey) -> float | None:
        """Seconds until the next timer is due, by the store's clock; `None` when there is none.

        Of timers, those count that `inputs` would return.
        """
        ...

    async def set_aside(self, claim: Claim, item: ProcessInput, *, error: str) -> None:
        """Keep an input that cannot be handled, with the reason, until it is released.

        Raises:
            Fenced: the claim is stale; nothing is stored.
        """
        ...

    async def release(self, domain: str, name: str) -> int:
        """Let every input that was set aside be handled again; return how many there were."""
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
