"""The parked and discarded events of one subscription in memory."""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from chekov.store.port import (
    DiscardedEvent,
    Failure,
    ParkedEvent,
    ParkedFilter,
    ParkedState,
    ParkingEntry,
    SubscriptionKey,
)


class ParkedRows:
    """What one subscription set aside.

    Attributes:
        discarded: what it will never handle, in the order in which it was discarded.
        changes: how often somebody retried or discarded something.
        last_failed: the highest position that was set aside.
    """

    def __init__(self, subscription: SubscriptionKey) -> None:
        self._subscription = subscription
        self._events: dict[int, ParkedEvent] = {}
        self._retried: dict[int, int] = {}
        self._replays: dict[int, str] = {}
        self.discarded: list[DiscardedEvent] = []
        self.changes = 0
        self.last_failed = 0

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, position: int) -> bool:
        return position in self._events

    def __iter__(self) -> Iterator[ParkedEvent]:
        """The events by position."""
        return iter(sorted(self._events.values(), key=lambda event: event.position))

    @property
    def keys(self) -> Mapping[str, bool]:
        """Each blocked key → whether its first event is to be handled now."""
        heads: dict[str, bool] = {}
        for event in self:
            for key in event.keys:
                heads.setdefault(key, event.state != "failed")
        return heads

    def add(self, entries: Iterable[ParkingEntry], now: datetime) -> None:
        """Set events aside."""
        for entry in entries:
            self.last_failed = max(self.last_failed, entry.event.position)
            if entry.discarded is not None:
                self._record(_parked(self._subscription, entry, now), entry.discarded, now)
            elif entry.failure is not None or entry.event.position not in self._events:
                self._events[entry.event.position] = _parked(self._subscription, entry, now)

    def adopt(self, event: ParkedEvent, key: str) -> None:
        """Take over an event that another partition parked."""
        self._events[event.position] = replace(event, subscription=self._subscription, key=key)

    def remove(self, position: int) -> None:
        del self._events[position]
        self._retried.pop(position, None)
        self._replays.pop(position, None)

    def forget_above(self, position: int) -> None:
        """Forget the events above a position, which are handled again."""
        for event in [event for event in self if event.position > position]:
            self.remove(event.position)

    def fail(self, position: int, failure: Failure) -> None:
        """Note that an event failed again."""
        event = self._events[position]
        self._events[position] = replace(
            event,
            state="failed",
            attempts=event.attempts + failure.attempts,
            first_error=event.first_error or failure.error,
            error=failure.error,
            fingerprint=failure.fingerprint,
            traceback=failure.traceback,
        )

    def in_order(self, key: str, limit: int) -> Sequence[ParkedEvent]:
        """The first events of a key."""
        return list(islice((event for event in self if key in event.keys), limit))

    def chosen(
        self, filter: ParkedFilter, after: int, *states: ParkedState, replay: str = ""
    ) -> Sequence[ParkedEvent]:
        """The events in some states above a position that meet the filter.

        Those that the replay of this name retried before are left out.
        """
        return [
            event
            for event in self
            if event.state in states
            and event.position > after
            and filter.matches(event)
            and not (replay and self._replays.get(event.position) == replay)
        ]

    def retry(self, position: int, replay: str) -> None:
        """Let an event be handled again now; the next change says so to the owner."""
        self._events[position] = replace(self._events[position], state="retrying")
        self._retried[position] = self.changes + 1
        self._replays[position] = replay

    def states_of(self, replay: str) -> Sequence[ParkedState]:
        """The state of each event that a replay retried."""
        return [event.state for event in self if self._replays.get(event.position) == replay]

    def retried(self, after: int) -> Collection[str]:
        """The keys of events that were retried after so many changes."""
        found = [event for event in self if self._retried.get(event.position, 0) > after]
        return {key for event in found for key in event.keys}

    def discard(self, position: int, reason: str, now: datetime) -> None:
        """Move an event to the discarded ones."""
        self._record(self._events.pop(position), reason, now)

    def set_aside(self, first: int, last: int, waiting: Container[str]) -> Sequence[bool]:
        """For each event from `first` to `last` that was set aside, whether it was for good.

        Args:
            first: the lowest position.
            last: the highest position.
            waiting: keys that are kept back by what is not in the log.
        """
        again = self.keys
        parked = [event for event in self._events.values() if first <= event.position <= last]
        discarded = [event for event in self.discarded if first <= event.position <= last]
        final = [any(not again[key] or key in waiting for key in event.keys) for event in parked]
        return [*final, *(True for _ in discarded)]

    def _record(self, event: ParkedEvent, reason: str, now: datetime) -> None:
        self.discarded.append(
            DiscardedEvent(
                event.subscription,
                event.position,
                event.key,
                event.stream,
                event.type,
                event.attempts,
                event.error,
                event.fingerprint,
                reason,
                now,
            )
        )


def _parked(subscription: SubscriptionKey, entry: ParkingEntry, now: datetime) -> ParkedEvent:
    event, failure = entry.event, entry.failure
    found = failure or Failure(0, "")
    return ParkedEvent(
        subscription,
        event.position,
        entry.key,
        event.stream,
        event.type,
        entry.state,
        found.attempts,
        found.error,
        found.error,
        found.fingerprint,
        found.traceback,
        now,
        entry.also,
    )
