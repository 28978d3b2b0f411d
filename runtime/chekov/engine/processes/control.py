"""Open instances of process managers, with what they wait for: for people and tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chekov.errors import UnknownSubscription
from chekov.serialization.codec import decode_metadata
from chekov.serialization.serializers import as_json
from chekov.store.port import (
    DiscardedInput,
    OpenInstance,
    PendingTimer,
    Processes,
    QueuedCommand,
    Subscriptions,
)


@dataclass(frozen=True, slots=True)
class WaitingCommand:
    """A command that an instance sent and that is not settled yet.

    Attributes:
        command: its name.
        id: its command id.
        since: when it was put into the outbox.
        refused: whether it was refused, and the instance has not handled that yet.
        error: why handling the refusal keeps failing; then it is set aside, and keeps back what
            comes later for its instance.
        retried: whether somebody lets it be handled again.
    """

    command: str
    id: UUID
    since: datetime
    refused: bool
    error: str | None
    retried: bool


@dataclass(frozen=True, slots=True)
class WaitingTimer:
    """A timer of an instance.

    Attributes:
        timer: its name; that of the command, if it sends one.
        due: when it expires.
        error: why handling it keeps failing; as of a command.
        retried: as of a command.
    """

    timer: str
    due: datetime
    error: str | None
    retried: bool


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """An open instance of a process manager.

    Attributes:
        name: of the process manager.
        version: of the process manager.
        partition: of its subscription.
        instance: its name.
        begun: when the event that began it was stored.
        state: its fields as JSON has them; `None` if they cannot be shown, or are sealed.
        commands: what it sent, in order.
        timers: what it waits for, by time.
    """

    name: str
    version: int
    partition: int
    instance: str
    begun: datetime
    state: Mapping[str, Any] | None
    commands: Sequence[WaitingCommand]
    timers: Sequence[WaitingTimer]


class ProcessControl:
    """Lists open instances, and releases or discards what was set aside.

    Args:
        processes: of the store; a sealing one shows the states of a domain with personal data.
        subscriptions: of the store.
        domain: whose process managers these are.
    """

    def __init__(self, processes: Processes, subscriptions: Subscriptions, domain: str) -> None:
        self._processes = processes
        self._subscriptions = subscriptions
        self._domain = domain

    async def list(
        self, name: str | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[ProcessStatus]:
        """Open instances by name.

        Args:
            name: of one process manager; of all by default.
            after: only instances whose name is above this.
            limit: at most this many.

        Raises:
            UnknownSubscription: the store has no process manager of this name.
        """
        if name is not None:
            await self._require(name)
        found = await self._processes.list(self._domain, name, after=after, limit=limit)
        return [_status(item) for item in found]

    async def release(self, name: str, *, instance: str | None = None) -> int:
        """Let refusals and timers that were set aside be handled again, at once.

        They come before everything else of their instances, which is handled in order after them.

        Args:
            name: of the process manager.
            instance: only those of one instance.

        Returns:
            How many there were.

        Raises:
            UnknownSubscription: the store has no process manager of this name.
        """
        await self._require(name)
        return await self._processes.release(self._domain, name, instance=instance)

    async def discard(self, name: str, *, reason: str, instance: str | None = None) -> int:
        """Give refusals and timers that were set aside up for good.

        What they kept back is handled next.

        Args:
            name: of the process manager.
            reason: is kept with what is discarded.
            instance: only those of one instance.

        Returns:
            How many there were.

        Raises:
            UnknownSubscription: the store has no process manager of this name.
        """
        await self._require(name)
        return await self._processes.discard(self._domain, name, reason=reason, instance=instance)

    async def discarded(
        self, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedInput]:
        """Refusals and timers that were given up, with the reasons, the first ones first.

        Args:
            name: of the process manager.
            after: only those with a number above this.
            limit: at most this many.

        Raises:
            UnknownSubscription: the store has no process manager of this name.
        """
        await self._require(name)
        return await self._processes.discarded(self._domain, name, after=after, limit=limit)

    async def _require(self, name: str) -> None:
        names = {row.key.name for row in await self._subscriptions.list(self._domain)}
        if name not in names:
            raise UnknownSubscription(name, sorted(names))


def _status(item: OpenInstance) -> ProcessStatus:
    key, state = item.key, item.state
    shown = as_json(state.data)
    return ProcessStatus(
        key.name,
        key.version,
        key.partition,
        state.instance,
        state.begun,
        None if shown is None else decode_metadata(shown),
        [_command(queued) for queued in item.commands],
        [_timer(timer) for timer in item.timers],
    )


def _command(queued: QueuedCommand) -> WaitingCommand:
    sent = queued.sent
    refused = queued.refusal is not None
    return WaitingCommand(sent.command, sent.id, queued.time, refused, queued.error, queued.retried)


def _timer(timer: PendingTimer) -> WaitingTimer:
    return WaitingTimer(timer.command or timer.name, timer.due, timer.error, timer.retried)
