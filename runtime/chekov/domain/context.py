"""What a handler is told about an event, alone or in a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args, get_origin
from uuid import UUID

from chekov.domain.messages import Event

E_co = TypeVar("E_co", bound=Event, covariant=True)

_MOST_EVENTS: Final = 1000
_LONGEST_WAIT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Attributes of the delivered event; it is delivered at least once.

    Attributes:
        stream: the stream it was appended to.
        version: its place in the stream, from 1.
        position: its place among all events of the store, from 1.
        id: its own id, the same at every delivery, so it can be used to recognise a repetition.
            The second and further parts of an event that an upcaster split have derived ids.
        time: when it was stored.
        correlation_id: shared by all commands and events that one request leads to.
        causation_id: the command that caused it.
        metadata: added by the caller of the command.
        replaying: whether it was stored before this subscription first went live.
        attempt: 1 at the first try.
    """

    stream: str
    version: int
    position: int
    id: UUID
    time: datetime
    correlation_id: UUID | None
    causation_id: UUID | None
    metadata: Mapping[str, Any]
    replaying: bool
    attempt: int


class Delivered(NamedTuple, Generic[E_co]):
    """An event of a batch, with its own context."""

    event: E_co
    context: Context


class Batch(NamedTuple):
    """How many events a method takes at once, 1 to 1,000, and how long it waits for them."""

    size: int
    wait: timedelta


def batch_fault(batch: Any) -> str:
    """What is wrong with the argument of `@handle(batch=…)`; empty when nothing is."""
    match batch:
        case (int(size), timedelta() as wait) if 1 <= size <= _MOST_EVENTS:
            if timedelta(0) <= wait <= _LONGEST_WAIT:
                return ""
        case _:
            pass
    return (
        f"batch {batch!r} must be a number of events, 1 to {_MOST_EVENTS}, and a timedelta to wait "
        "for them, a minute at most"
    )


def in_batch(annotation: Any) -> Any:
    """The event types in `Sequence[Delivered[…]]`; `None` when it is annotated otherwise."""
    if get_origin(annotation) is not Sequence:
        return None
    [item] = get_args(annotation)
    return get_args(item)[0] if get_origin(item) is Delivered else None
