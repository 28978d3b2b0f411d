"""Observers: what the engine reports to metrics, to tracing and to the user's own code.

Every hook of `Observer` does nothing. The engine reports to one observer; several are combined
into one by `combined`.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final, Literal, Protocol, TypeVar, cast

from chekov.domain.names import OWN
from chekov.store.port import Appended, NewEvent, RecordedEvent, SubscriptionKey

Outcome = Literal["accepted", "repeated", "rejected", "conflict", "timeout", "failed", "refused"]
DeliveryOutcome = Literal["handled", "retried", "parked", "skipped", "stopped"]
SnapshotOutcome = Literal["kept", "failed", "used", "ignored"]

TRACEPARENT: Final = f"{OWN}traceparent"
"""In the metadata of an event, the W3C trace context that it was recorded in."""

_Append = TypeVar("_Append", bound=Callable[..., Awaitable[Appended]])


class CommandObservation(Protocol):
    """One command, from its arrival to its result."""

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        """Called once, with how the command ended."""
        ...


class Observer:
    """Base class of observers; override the hooks you need.

    Hooks are called on the event loop, in the middle of the work they report: they must neither
    block nor raise.
    """

    def command(self, command: str, stream: str) -> CommandObservation | None:
        """A command starts; return what is to learn its outcome, if anything."""
        return None

    def traceparent(self) -> str | None:
        """The W3C trace context of the running code, to be stored with its events."""
        return None

    def append(self, stream: str, events: int) -> AbstractContextManager[None]:
        """Surrounds the append of one command's events, from queueing to commit."""
        return nullcontext()

    def appended(self, appends: int, events: int, seconds: float) -> None:
        """The store committed a batch of appends in one statement."""

    def delivery(
        self,
        subscription: SubscriptionKey,
        events: Sequence[RecordedEvent],
        metadata: Mapping[str, object],
    ) -> AbstractContextManager[None]:
        """Surrounds the handling of one event, or of a batch whose first event has `metadata`.

        `$traceparent` in `metadata` is the trace that the event was recorded in.
        """
        return nullcontext()

    def delivered(
        self,
        subscription: SubscriptionKey,
        outcome: DeliveryOutcome,
        events: int,
        seconds: float,
        age: float,
    ) -> None:
        """Events were handled, or an attempt failed; `age` is the last one's, in seconds."""

    def claimed(self, subscription: SubscriptionKey) -> None:
        """This process has become the owner of a subscription."""

    def loaded(self, aggregate: str, events: int, seconds: float) -> None:
        """An instance was rehydrated by reading so many events from the store."""

    def snapshot(self, aggregate: str, outcome: SnapshotOutcome) -> None:
        """A snapshot was kept or could not be; or one was found, and used or ignored."""

    def missing(self, subscription: SubscriptionKey, events: int) -> None:
        """Positions are absent between two events: history has a hole."""


def combined(observers: Sequence[Observer]) -> Observer:
    """One observer that reports to all of them.

    A single observer is returned as it is.
    """
    return observers[0] if len(observers) == 1 else _FanOut(observers)


def overrides(observer: Observer, hook: str) -> bool:
    """Whether an observer implements a hook, which need not be called otherwise."""
    return getattr(getattr(observer, hook), "__func__", None) is not getattr(Observer, hook)


def observed_append(append: _Append, observer: Observer) -> _Append:
    """A store's `append` within `observer.append`; itself when the observer has no such hook."""
    if not overrides(observer, "append"):
        return append

    async def observed(stream: str, events: Sequence[NewEvent], **options: Any) -> Appended:
        with observer.append(stream, len(events)):
            return await append(stream, events, **options)

    return cast("_Append", observed)


class _FanOut(Observer):
    """Calls each hook of the observers that override it.

    A hook that one observer overrides becomes that observer's bound method, so it costs no extra
    call; a hook that none overrides stays the base class's.
    """

    def __init__(self, observers: Sequence[Observer]) -> None:
        for name, combine in _COMBINATIONS.items():
            hooks = [getattr(item, name) for item in observers if overrides(item, name)]
            if hooks:
                setattr(self, name, hooks[0] if len(hooks) == 1 else combine(hooks))


_Hook = Callable[..., Any]


def _call_each(hooks: Sequence[_Hook]) -> _Hook:
    def call(*arguments: object) -> None:
        for hook in hooks:
            hook(*arguments)

    return call


def _enter_each(hooks: Sequence[_Hook]) -> _Hook:
    @contextmanager
    def enter(*arguments: object) -> Generator[None]:
        with ExitStack() as stack:
            for hook in hooks:
                stack.enter_context(hook(*arguments))
            yield

    return enter


def _first_result(hooks: Sequence[_Hook]) -> _Hook:
    def first() -> object:
        return next((found for hook in hooks if (found := hook()) is not None), None)

    return first


def _start_each(hooks: Sequence[_Hook]) -> _Hook:
    def start(command: str, stream: str) -> CommandObservation | None:
        started = [item for hook in hooks if (item := hook(command, stream)) is not None]
        return _Observations(started) if started else None

    return start


_COMBINATIONS: Final[Mapping[str, Callable[[Sequence[_Hook]], _Hook]]] = {
    "command": _start_each,
    "traceparent": _first_result,
    "append": _enter_each,
    "appended": _call_each,
    "delivery": _enter_each,
    "delivered": _call_each,
    "claimed": _call_each,
    "loaded": _call_each,
    "snapshot": _call_each,
    "missing": _call_each,
}


class _Observations:
    """Finishes in reverse order, as context managers are left."""

    __slots__ = ("_started",)

    def __init__(self, started: Sequence[CommandObservation]) -> None:
        self._started = started

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        for item in reversed(self._started):
            item.finish(outcome, events=events, retries=retries)
