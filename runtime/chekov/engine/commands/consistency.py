"""Reading one's own writes: waiting until handlers, wherever they run, have passed a position."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from chekov.domain.envelope import check_seconds
from chekov.domain.partitioning import BY_STREAM
from chekov.engine.commands.chains import Chains
from chekov.engine.subscriptions.keys import partition_keys
from chekov.engine.subscriptions.layouts import first_of
from chekov.engine.subscriptions.partitions import partition_of
from chekov.engine.subscriptions.subscription import Subscription, current_subscription
from chekov.errors import (
    ConsistencyTimeout,
    HandlerFailed,
    InvalidArgument,
    InvalidConsistency,
    StoreError,
    UnknownSubscription,
)
from chekov.store.port import Layout, RecordedEvent, SubscriptionKey, Subscriptions

_POLL_SECONDS: Final = 0.025


def _is_collection(value: object) -> bool:
    return isinstance(value, Collection)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_position(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(key: SubscriptionKey) -> SubscriptionKey:
    """The key of a subscription, whichever of its partitions or generations it was."""
    return replace(key, partition=0, generation=1)


class _Division(NamedTuple):
    """What a checkpoint of a partition belongs to."""

    partitions: int
    keyed_by: str = BY_STREAM


_UNDIVIDED: Final = _Division(1)
_UNKNOWN: Final = _Division(0)


def _parts(
    key: SubscriptionKey, division: _Division, stream: str | None = None
) -> Sequence[SubscriptionKey]:
    """The keys of a subscription's partitions, or of a stream's if its streams divide it."""
    number = division.partitions
    if stream is not None and number and division.keyed_by == BY_STREAM:
        return [replace(key, partition=partition_of(stream, number))]
    return partition_keys(key, number)


class Consistency:
    """Waits by the progress of this process's own subscriptions, and by checkpoints for the rest.

    A handler that waits is not waited for.

    Args:
        store: has the checkpoints.
        keys: of the first partitions of the domain's subscriptions, whichever generation of a
            projection serves.
        strong: of those, the ones that a strong dispatch waits for.
        subscriptions: those that run in this process.
        current: returns the key of the generation that answers for one of `keys`.
        chains: what follows from commands through process managers.
        layouts: how this process divides each of `keys`; into one partition if it is left out.
    """

    def __init__(
        self,
        store: Subscriptions,
        keys: Iterable[SubscriptionKey],
        strong: Iterable[SubscriptionKey],
        subscriptions: Mapping[SubscriptionKey, Subscription],
        current: Callable[[SubscriptionKey], SubscriptionKey],
        chains: Chains,
        *,
        layouts: Mapping[SubscriptionKey, Layout],
    ) -> None:
        self._store = store
        self._chains = chains
        self._current = current
        self._keys = tuple(keys)
        self._strong = tuple(strong)
        self._subscriptions = subscriptions
        self._layouts = layouts
        self._reading: asyncio.Future[None] | None = None
        self._checkpoints: Mapping[SubscriptionKey, int] = {}
        self._failures: Mapping[SubscriptionKey, int] = {}
        self._stored: Mapping[SubscriptionKey, _Division] = {}
        self._hopeless = False
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def keys(self, consistency: str | Collection[str]) -> Sequence[SubscriptionKey]:
        """Return the subscriptions that a dispatch with `consistency` waits for.

        Raises:
            InvalidConsistency: it is neither "eventual" nor "strong" nor a list of names.
            UnknownSubscription: the domain has no subscription of a name.
        """
        if consistency == "eventual":
            return ()
        if consistency == "strong":
            return self._strong
        if isinstance(consistency, str) or not _is_collection(consistency):
            raise InvalidConsistency(consistency)
        return self.named(consistency)

    def named(self, names: Collection[str] | None) -> Sequence[SubscriptionKey]:
        """Return the subscriptions with these names, every version; all for `None`.

        Raises:
            UnknownSubscription: the domain has no subscription of a name.
            InvalidArgument: it is a name, or not a collection of names.
        """
        if names is None:
            return self._keys
        if isinstance(names, str) or not _is_collection(names):
            raise InvalidArgument(f"subscriptions={names!r:.60}: expected a list of their names")
        known = {key.name for key in self._keys}
        for name in names:
            if name not in known:
                raise UnknownSubscription(name, sorted(known))
        return [key for key in self._keys if key.name in names]

    async def wait_for(
        self, events: Sequence[RecordedEvent], keys: Sequence[SubscriptionKey], timeout: float
    ) -> None:
        """Return when each of these subscriptions has handled the events of one command.

        Of a subscription that streams divide, only the events' partition is waited for. With a
        process manager among them, its commands of the same chain must be done, and what follows
        from these must be handled as well.

        Raises:
            ChekovError: as `wait`.
        """
        last = events[-1]
        deadline = _now() + timeout
        first, stream = events[0].position, last.stream
        await self.wait(last.position, keys, timeout, first=first, stream=stream)
        managers = self._chains.managers(keys)
        chain = last.correlation_id
        if not managers or chain is None:
            return
        position = last.position
        while found := await self._next_of_chain(chain, position, managers, deadline):
            for event in found:
                position, left = event.position, deadline - _now()
                await self.wait(position, keys, left, first=position, stream=event.stream)

    async def _next_of_chain(
        self, chain: UUID, position: int, managers: Collection[str], deadline: float
    ) -> Sequence[RecordedEvent]:
        """The events of a chain above `position`, once none of its commands is left to be done.

        Raises:
            ConsistencyTimeout: the deadline is over, or nobody is there to do them.
            HandlerFailed: the refusal of one is set aside.
        """
        left: Collection[str] = managers
        with self._counted():
            while not self._hopeless and _now() < deadline:
                try:
                    async with asyncio.timeout_at(deadline):
                        found = await self._chains.commands(chain, managers)
                        if not found:
                            # Read now: a command is removed once its events are stored.
                            return await self._chains.next_events(chain, position)
                except (TimeoutError, StoreError):
                    await asyncio.sleep(_POLL_SECONDS)
                    continue
                if failed := [item.name for item in found if item.set_aside]:
                    raise HandlerFailed(position, failed)
                left = {item.name for item in found}
                await asyncio.sleep(_POLL_SECONDS)
        raise ConsistencyTimeout(position, tuple(sorted(left)))

    async def wait(
        self,
        position: int,
        keys: Sequence[SubscriptionKey],
        timeout: float,
        *,
        first: int | None = None,
        stream: str | None = None,
    ) -> None:
        """Return when each of these subscriptions has handled everything up to `position`.

        Args:
            position: what to wait for.
            keys: of the subscriptions.
            timeout: seconds to wait.
            first: none of the events from here on may have been set aside; `None` if any may.
            stream: the only one whose events matter; `None` if all do.

        Raises:
            ConsistencyTimeout: `timeout` seconds passed before, or nobody is there to handle it.
            HandlerFailed: one of these events was parked or skipped.
            InvalidArgument: the position is not an integer, or `timeout` not a number.
        """
        check_seconds("timeout", timeout)
        if not _is_position(position):
            raise InvalidArgument(f"position={position!r:.60}: expected an integer")
        own = current_subscription.get()
        if own is not None:
            own = _whole(own)
        waited = behind = [key for key in keys if _whole(key) != own]
        with self._counted():
            try:
                async with asyncio.timeout(timeout):
                    while behind := self._behind(behind, position, stream):
                        await self._progress(behind, position, stream)
                    if first is not None:
                        await self._settled(waited, first, position)
            except (TimeoutError, StoreError):
                behind = self._behind(behind, position, stream) or self._suspects(waited, first)
                names = dict.fromkeys(key.name for key in behind)
                if names:
                    raise ConsistencyTimeout(position, tuple(names)) from None

    @contextmanager
    def _counted(self) -> Generator[None]:
        """Let `drain` wait for who waits."""
        self._waiting += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._idle.set()

    def drop(self) -> None:
        """Forget which checkpoints were read: the log was restored to an earlier state."""
        self._checkpoints, self._failures, self._stored = {}, {}, {}

    async def drain(self, *, alone: bool) -> None:
        """Return when there is no waiter left.

        Args:
            alone: no other process handles events, so who waits for one is answered at once.
        """
        self._hopeless = alone
        await self._idle.wait()

    async def _settled(self, keys: Sequence[SubscriptionKey], first: int, last: int) -> None:
        """Return once none of these has an event from `first` to `last` set aside for a while.

        Raises:
            HandlerFailed: one of them set such an event aside for good.
            StoreError: the store is away.
            TimeoutError: nobody is there to handle one again, while this process lasts.
        """
        current = {self._current(key): key.name for key in keys}
        while True:
            mine = [
                (first_of(key), here)
                for key, here in self._subscriptions.items()
                if first_of(key) in current
            ]
            failed = {key for key, here in mine if here.failed(first, last)}
            retried = any(here.holds_back(first, last) for _, here in mine)
            if self._suspects(current.keys() - failed, first):
                found = await self._store.failed(self._keys[0].domain, first=first, last=last)
                failed |= {first_of(key) for key, final in found.items() if final}
                retried |= any(
                    first_of(key) in current for key, final in found.items() if not final
                )
            if names := dict.fromkeys(name for key, name in current.items() if key in failed):
                raise HandlerFailed(last, tuple(names))
            if not retried:
                return
            if self._hopeless:
                raise TimeoutError
            await asyncio.sleep(_POLL_SECONDS)

    def _suspects(
        self, keys: Iterable[SubscriptionKey], first: int | None
    ) -> list[SubscriptionKey]:
        """Those that may have set an event from `first` on aside."""
        if first is None:
            return []
        return [key for key in keys if self._last_failed(self._current(key)) >= first]

    def _last_failed(self, key: SubscriptionKey) -> int:
        here = [self._subscriptions.get(item) for item in _parts(key, self._here(key))]
        stored = [self._failures.get(item, 0) for item in _parts(key, self._stored_of(key))]
        return max([item.last_failed for item in here if item is not None] + stored, default=0)

    def _behind(
        self, keys: Iterable[SubscriptionKey], position: int, stream: str | None
    ) -> list[SubscriptionKey]:
        return [key for key in keys if not self._passed(self._current(key), position, stream)]

    def _passed(self, key: SubscriptionKey, position: int, stream: str | None) -> bool:
        """Whether a subscription is known to have handled a position, in all that concerns it.

        What is known of a partition belongs to a division, and stays true when the subscription is
        divided anew.
        """
        return any(
            all(self._knows(part, division, position) for part in _parts(key, division, stream))
            for division in {self._here(key), self._stored_of(key)}
            if division.partitions
        )

    def _knows(self, part: SubscriptionKey, division: _Division, position: int) -> bool:
        key = first_of(part)
        here = self._subscriptions.get(part) if self._here(key) == division else None
        if here is not None and here.passed(position):
            return True
        return self._stored_of(key) == division and self._checkpoints.get(part, 0) >= position

    def _here(self, key: SubscriptionKey) -> _Division:
        """How a subscription is divided, as this process knows by running it."""
        layout = self._layouts.get(replace(key, generation=1))
        return _UNDIVIDED if layout is None else _Division(layout.partitions, layout.keyed_by)

    def _stored_of(self, key: SubscriptionKey) -> _Division:
        """How it was divided when checkpoints were read."""
        return self._stored.get(key, _UNKNOWN)

    async def _progress(
        self, behind: Sequence[SubscriptionKey], position: int, stream: str | None
    ) -> None:
        """Wait until one that is behind may have arrived.

        Raises:
            TimeoutError: none will, while this process lasts.
        """
        if self._hopeless:
            raise TimeoutError
        current = map(self._current, behind)
        parts = [part for key in current for part in _parts(key, self._here(key), stream)]
        late = [
            item
            for item in map(self._subscriptions.get, parts)
            if item is None or not item.passed(position)
        ]
        if all(item is not None and item.running for item in late):
            if late[0] is not None:
                await late[0].reached(position)
            return
        with suppress(StoreError):
            await self._read_checkpoints()
        if len(self._behind(behind, position, stream)) == len(behind):
            await asyncio.sleep(_POLL_SECONDS)

    async def _read_checkpoints(self) -> None:
        """Read what the store knows; one read serves all that ask while it is under way."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
            return
        self._reading = asyncio.get_running_loop().create_future()
        try:
            rows = await self._store.list(self._keys[0].domain)
            self._checkpoints = {row.key: row.position for row in rows}
            self._failures = {row.key: row.last_failed for row in rows}
            numbers = Counter((first_of(row.key), row.keyed_by) for row in rows)
            self._stored = {
                key: _Division(number, keyed_by) for (key, keyed_by), number in numbers.items()
            }
        finally:
            self._reading.cancel()
            self._reading = None
