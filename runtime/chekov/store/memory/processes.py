"""The role `processes` in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from chekov.store.memory.log import Log
from chekov.store.memory.subscriptions import MemorySubscriptions
from chekov.store.port import (
    ChainedCommands,
    Claim,
    DiscardedInput,
    OpenInstance,
    ParkingEntry,
    PendingTimer,
    ProcessChanges,
    ProcessFigures,
    ProcessInput,
    ProcessState,
    QueuedCommand,
    SubscriptionKey,
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

    @property
    def inputs(self) -> Sequence[ProcessInput]:
        """Refusals and timers, due or not."""
        refusals = [item for item in self.outbox.values() if item.refusal is not None]
        return [*refusals, *self.timers.values()]

    def put(self, item: ProcessInput) -> None:
        """Replace an input."""
        if isinstance(item, QueuedCommand):
            self.outbox[item.number] = item
        else:
            self.timers[item.instance, item.name] = item

    def remove(self, item: ProcessInput) -> None:
        if isinstance(item, QueuedCommand):
            del self.outbox[item.number]
        else:
            del self.timers[item.instance, item.name]


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
        subscriptions: Callable[[], MemorySubscriptions],
        log: Log,
    ) -> None:
        self._log = log
        self._now = clock
        self._subscriptions = subscriptions
        self._rows: dict[SubscriptionKey, _Rows] = {}
        self._number = 0
        self._discarded: list[DiscardedInput] = []

    def forget(self, key: SubscriptionKey) -> None:
        """Remove what a process manager has under way."""
        self._rows.pop(key, None)

    def waiting(self, key: SubscriptionKey) -> Collection[str]:
        """The parking keys of instances with an input that waits for somebody."""
        found = [item for item in self._of(key).inputs if _failed(item)]
        return {instance_key(key.name, _instance(item)) for item in found}

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
    ) -> Sequence[int]:
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
        first = self._number + 1
        for command in changes.commands:
            self._number += 1
            rows.outbox[self._number] = QueuedCommand(self._number, command, self._now())
        return range(first, self._number + 1)

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
            if number in outbox and outbox[number].refusal is None:
                del outbox[number]
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
        rows, now = self._of(key), self._now()
        first: dict[str, ProcessInput] = {}
        in_turn = await self._in_turn(key)
        for item in rows.outbox.values():
            if item.refusal is not None and in_turn(item):
                first.setdefault(item.sent.instance, item)
        for timer in sorted(rows.timers.values(), key=lambda timer: timer.due):
            if timer.due <= now and in_turn(timer):
                first.setdefault(timer.instance, timer)
        return list(islice(first.values(), limit))

    async def next_due(self, key: SubscriptionKey) -> float | None:
        """Seconds until the next timer is due."""
        in_turn = await self._in_turn(key)
        due = [timer.due for timer in self._of(key).timers.values() if in_turn(timer)]
        return (min(due) - self._now()).total_seconds() if due else None

    async def set_aside(
        self, claim: Claim, item: ProcessInput, *, error: str, discarded: str | None = None
    ) -> None:
        """Keep an input that cannot be handled, with the reason."""
        await self._subscriptions().save(claim, 0)
        rows = self._of(claim.key)
        rows.put(item._replace(error=error, retried=False))
        if discarded is not None:
            self._discard(claim.key, rows, item._replace(error=error), discarded)

    async def withheld(self, key: SubscriptionKey) -> Collection[str]:
        """The instances with an input that was set aside, and was not handled since."""
        return {_instance(item) for item in self._of(key).inputs if item.error is not None}

    async def release(self, domain: str, name: str, *, instance: str | None = None) -> int:
        """Let inputs that were set aside be handled again."""
        found = self._failed(domain, name, instance)
        for _, rows, item in found:
            rows.put(item._replace(retried=True))
        return self._changed(domain, name, len(found))

    async def discard(
        self, domain: str, name: str, *, reason: str, instance: str | None = None
    ) -> int:
        """Give up inputs that were set aside."""
        found = self._failed(domain, name, instance)
        for key, rows, item in found:
            self._discard(key, rows, item, reason)
        return self._changed(domain, name, len(found))

    async def discarded(
        self, domain: str, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedInput]:
        """Inputs that were given up, by number above `after`."""
        found = (
            item
            for item in self._discarded
            if item.number > after and (item.key.domain, item.key.name) == (domain, name)
        )
        return list(islice(found, limit))

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
                    found[place] = found.get(place, False) or _failed(item)
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

    async def _in_turn(self, key: SubscriptionKey) -> Callable[[ProcessInput], bool]:
        """Whether an input is handled now: nothing of its instance is to be handled before."""
        prefix = instance_key(key.name, "")
        parked = await self._subscriptions().parked(key.domain, key.name, limit=_ALL)
        blocked = {
            text.removeprefix(prefix)
            for event in parked
            if event.subscription == key
            for text in event.keys
            if text.startswith(prefix)
        }
        blocked.update(await self.withheld(key))
        return lambda item: item.retried or (item.error is None and _instance(item) not in blocked)

    def _failed(
        self, domain: str, name: str, instance: str | None
    ) -> Sequence[tuple[SubscriptionKey, _Rows, ProcessInput]]:
        return [
            (key, rows, item)
            for key, rows in self._named(domain, name)
            for item in rows.inputs
            if _failed(item) and instance in (None, _instance(item))
        ]

    def _discard(self, key: SubscriptionKey, rows: _Rows, item: ProcessInput, reason: str) -> None:
        rows.remove(item)
        number, error = len(self._discarded) + 1, item.error or ""
        if isinstance(item, QueuedCommand):
            what = (item.sent.instance, item.sent.command, item.sent.id)
        else:
            what = (item.instance, item.command or item.name, item.id)
        self._discarded.append(DiscardedInput(number, key, *what, error, reason, self._now()))

    def _changed(self, domain: str, name: str, count: int) -> int:
        """Let the owners look at what was set aside, if anything changed; return `count`."""
        if count:
            self._subscriptions().parked_changed(domain, name)
        return count

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


def _instance(item: ProcessInput) -> str:
    return item.sent.instance if isinstance(item, QueuedCommand) else item.instance


def _failed(item: ProcessInput) -> bool:
    """Whether it waits for somebody."""
    return item.error is not None and not item.retried


def _seconds(now: datetime, times: Collection[datetime]) -> float:
    """Seconds since the first of `times`; 0 when there is none yet."""
    return max(0.0, (now - min(times)).total_seconds()) if times else 0.0
