"""Which events a program asks for: the address, the parameters, and what is left to be checked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from chekov.client.transport import Call
from chekov.client.values import ReceivedEvent
from chekov.domain.event_filter import EventFilter
from chekov.domain.messages import Event
from chekov.errors import InvalidArgument
from chekov.serialization.codec import Codec

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The events of the log, or of one stream, that a program wants.

    Attributes:
        types: their classes; any when there are none.
        filter: which of them, `types` included.
        codec: of the client's domain.
    """

    types: tuple[type[Event], ...]
    filter: EventFilter
    codec: Codec | None

    @classmethod
    def of(
        cls,
        types: tuple[type[Event], ...],
        stream: str | None,
        filter: EventFilter,
        codec: Codec | None,
    ) -> "Wanted":
        """What the arguments of `Client.events` say.

        Raises:
            InvalidArgument: the domain has no events of a type, or the client no domain.
        """
        if stream is not None:
            filter = replace(filter, stream=stream)
        if types:
            names = _names(types, codec)
            both = names if filter.types is None else names & filter.types
            filter = replace(filter, types=both)
        return cls(types, filter, codec)

    @property
    def is_none(self) -> bool:
        """Whether no event can be wanted."""
        return self.filter.types is not None and not self.filter.types

    def call(self, **parameters: object) -> Call:
        """The request for them; a parameter that is `None` is left out."""
        query = [(name, str(value)) for name, value in parameters.items() if value is not None]
        stream = self.filter.stream
        if stream is not None:
            return Call("GET", ("streams", stream), query)
        return Call("GET", ("events",), [*query, *_parameters(self.filter)])

    def number(self, event: ReceivedEvent[Any]) -> int:
        """By which `after` counts."""
        return event.position if self.filter.stream is None else event.version

    def wants(self, event: ReceivedEvent[Any]) -> bool:
        """Whether an event that was received is wanted.

        Raises:
            Undecodable: upcasters may make it one, and it cannot be read.
        """
        if self.filter.stream is not None and not replace(self.filter, stream=None).matches(
            event.stored
        ):
            return False  # a stream is not filtered by the service
        if not self.types or self.codec is None or not self.codec.is_upcast(event.type):
            return True
        return any(isinstance(item, self.types) for item in event.events)


def _names(types: tuple[type[Event], ...], codec: Codec | None) -> frozenset[str]:
    """The stored names of events of some types."""
    if codec is None:
        raise InvalidArgument(
            "this client has no domain, so that it knows no event types: pass domain=…, or names "
            "as filter=EventFilter(types=frozenset({…}))"
        )
    found = codec.event_types_like(types)
    return frozenset(name for kind in found for name in codec.stored_names(kind))


def _parameters(filter: EventFilter) -> Sequence[tuple[str, str]]:
    given = [("type", name) for name in sorted(filter.types or ())]
    for name in ("category", "prefix", "correlation", "causation", "caused_by"):
        value = getattr(filter, name)
        if value is not None:
            given.append((name, str(value)))
    return given
