"""The role `processes` in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from chekov.store.memory.log import Log
from chekov.store.port import (
    ChainedCommands,
    Claim,
    OpenInstance,
    ParkingEntry,
    PendingTimer,
    ProcessChanges,
    ProcessFigures,
    ProcessInput,
    ProcessState,
    QueuedCommand,
    SubscriptionKey,
    Subscriptions,
    instance_key,
)

_ALL: Final = 1_000_000


@dataclass(slots=True)
class _Rows:
    """What one process manager has."""

    states: dict[str, ProcessState] = field(default_factory=dict[str, ProcessState])
    outbox: dict[int, QueuedCommand] = field(default_factory=dict[int, QueuedCommand])
    timers: dict[tuple[str, str], PendingTimer] = field(
        default_factory=dict[tuple[str, str], PendingTimer]
    )


class MemoryProcesses:
    """Rows of each process manager, by key.

    Args:
        clock: tells the time of timers.
        subscriptions: gives the role that keeps the checkpoints.
        log: refuses appends of commands that were refused.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        subscriptions: Callable[[], Subscriptions],
        log: Log,
    ) -> None:
        self._log = log
        self._now = clock
        self._subscriptions = subscriptions
        self._rows: dict[SubscriptionKey, _Rows] = {}
        self._number = 0

    async def load(
        self, key: SubscriptionKey, instances: Collection[str]
    ) -> Mapping[str, ProcessState]:
        """Those of `instances` that are open."""
        states = self._of(key).states
        return {name: states[name] for name in instances if name in states}

    async def commit(
        self,
        claim: Claim,
        position: int,
        changes: ProcessChanges,
        *,
        parked: Sequence[ParkingEntry] = (),
        unpark: int | None = None,
    ) -> None:
        """Store `changes` and move the checkpoint forward to `position`."""
        if unpark is not None:
            await self._subscriptions().unpark(claim, unpark)
        await self._subscriptions().save(claim, position, parked=parked)
        rows = self._of(claim.key)
        finished = set(changes.finished)
        for name in finished:
            rows.states.pop(name, None)
        for timer in [*(item for item in rows.timers if item[0] in finished), *changes.removed]:
            rows.timers.pop(timer, None)
        for number in changes.answered:
            rows.outbox.pop(number, None)
        rows.states |= {state.instance: state for state in changes.states}
        rows.timers |= {(timer.instance, timer.name): timer for timer in changes.timers}
        for command in changes.commands:
            self._number += 1
            rows.outbox[self._number] = QueuedCommand(self._number, command, self._now())

    async def pending(
        self, key: SubscriptionKey, *, after: int = 0, limit: int = 500
    ) -> Sequence[QueuedCommand]:
        """The next commands to send, by number above `after`."""
        found = (
            item
            for item in self._of(key).outbox.values()
            if item.number > after and item.refusal is None
        )
        return list(islice(found, limit))

    async def settle(
        self, claim: Claim, sent: Collection[int], refused: Mapping[int, bytes]
    ) -> None:
        """Take executed commands out of the outbox, and keep why others were refused."""
        await self._subscriptions().save(claim, 0)
        outbox = self._of(claim.key).outbox
        for number in sent:
            outbox.pop(number, None)
        for number, refusal in refused.items():
            item = outbox.get(number)
            if item is None:
                continue
            if self._log.refuse(item.sent.id):
                outbox[number] = item._replace(refusal=refusal)
            else:
                del outbox[number]

    async def inputs(self, key: SubscriptionKey, *, limit: int = 500) -> Sequence[ProcessInput]:
        """Refusals in order of their commands, then due timers by time; one for each instance."""
        rows = self._of(key)
        now = self._now()
        first: dict[str, ProcessInput] = {}
        blocked = await self._blocked(key)
        for item in rows.outbox.values():
            if item.refusal is None or item.error is not None:
                continue
            if item.sent.instance not in blocked:
                first.setdefault(item.sent.instance, item)
        for timer in sorted(rows.timers.values(), key=lambda timer: timer.due):
            if timer.due > now or timer.error is not None:
                continue
            if timer.instance not in blocked:
                first.setdefault(timer.instance, timer)
        return list(islice(first.values(), limit))

    async def next_due(self, key: SubscriptionKey) -> float | None:
        """Seconds until the next timer is due."""
        blocked = await self._blocked(key)
        due = [
            timer.due
            for timer in self._of(key).timers.values()
            if timer.error is None and timer.instance not in blocked
        ]
        return (min(due) - self._now()).total_seconds() if due else None

    async def set_aside(self, claim: Claim, item: ProcessInput, *, error: str) -> None:
        """Keep an input that cannot be handled, with the reason."""
        await self._subscriptions().save(claim, 0)
        rows = self._of(claim.key)
        if isinstance(item, PendingTimer):
            place = item.instance, item.name
            rows.timers[place] = rows.timers[place]._replace(error=error)
        else:
            rows.outbox[item.number] = rows.outbox[item.number]._replace(error=error)

    async def release(self, domain: str, name: str) -> int:
        """Let every input that was set aside be handled again."""
        released = 0
        for _, rows in self._named(domain, name):
            for number, item in rows.outbox.items():
                released += item.error is not None
                rows.outbox[number] = item._replace(error=None)
            for place, timer in rows.timers.items():
                released += timer.error is not None
                rows.timers[place] = timer._replace(error=None)
        return released

    async def list(
        self, domain: str, name: str | None = None, *, after: str = "", limit: int = 100
    ) -> Sequence[OpenInstance]:
        """Open instances of a domain's process managers."""
        found = [
            OpenInstance(
                key,
                state,
                [item for item in rows.outbox.values() if item.sent.instance == state.instance],
                [timer for timer in rows.timers.values() if timer.instance == state.instance],
            )
            for key, rows in self._named(domain, name)
            for state in rows.states.values()
            if state.instance > after
        ]
        return sorted(found, key=lambda item: (item.state.instance, item.key.name))[:limit]

    async def chained(
        self, domain: str, correlation_ids: Collection[UUID]
    ) -> Sequence[ChainedCommands]:
        """What process managers of a domain have left to do of some chains."""
        found: dict[tuple[UUID, str], bool] = {}
        for key, rows in self._named(domain):
            for item in rows.outbox.values():
                correlation = item.sent.correlation_id
                if correlation is not None and correlation in correlation_ids:
                    place = correlation, key.name
                    found[place] = found.get(place, False) or item.error is not None
        return [ChainedCommands(*place, set_aside) for place, set_aside in found.items()]

    async def figures(self, domain: str) -> Sequence[ProcessFigures]:
        """How much each process manager of a domain has at hand."""
        now = self._now()
        return [
            ProcessFigures(
                key,
                len(rows.states),
                len(rows.outbox),
                _seconds(now, [item.time for item in rows.outbox.values()]),
                _seconds(now, [item.due for item in rows.timers.values()]),
            )
            for key, rows in self._named(domain)
        ]

    async def _blocked(self, key: SubscriptionKey) -> Collection[str]:
        """The instances with a parked event."""
        prefix = instance_key(key.name, "")
        parked = await self._subscriptions().parked(key.domain, key.name, limit=_ALL)
        return {
            event.key.removeprefix(prefix)
            for event in parked
            if event.subscription == key and event.key.startswith(prefix)
        }

    def _of(self, key: SubscriptionKey) -> _Rows:
        return self._rows.setdefault(key, _Rows())

    def _named(
        self, domain: str, name: str | None = None
    ) -> Sequence[tuple[SubscriptionKey, _Rows]]:
        return [
            (key, rows)
            for key, rows in self._rows.items()
            if key.domain == domain and name in (None, key.name)
        ]


def _seconds(now: datetime, times: Collection[datetime]) -> float:
    """Seconds since the first of `times`; 0 when there is none yet."""
    return max(0.0, (now - min(times)).total_seconds()) if times else 0.0
