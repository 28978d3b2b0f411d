"""Which events of the log a reader wants: one value for SQL, memory, HTTP and subscriptions."""

from dataclasses import dataclass, fields
from typing import Final, Protocol
from uuid import UUID

from chekov.domain.names import OWN


class _Filtered(Protocol):
    @property
    def stream(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def correlation_id(self) -> UUID | None: ...
    @property
    def causation_id(self) -> UUID | None: ...
    @property
    def metadata(self) -> bytes | None: ...


CAUSE: Final = f"{OWN}caused_by"
"""The first key of an event's metadata, if something led to the command that caused the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Conditions that an event meets all of; `None` leaves a condition out.

    Attributes:
        types: stored names, one of which the event has.
        category: the event's stream is named `<category>-…`.
        stream: the event's stream is this one.
        prefix: the name of the event's stream starts with this.
        correlation: the event's correlation id.
        causation: the event's causation id: the command that caused it.
        caused_by: what led to that command: an event, a command, or a timer.
    """

    types: frozenset[str] | None = None
    category: str | None = None
    stream: str | None = None
    prefix: str | None = None
    correlation: UUID | None = None
    causation: UUID | None = None
    caused_by: UUID | None = None

    @property
    def is_open(self) -> bool:
        """Whether every event matches."""
        return all(getattr(self, item.name) is None for item in fields(self))

    def matches(self, event: _Filtered) -> bool:
        """Whether an event meets every condition."""
        return (
            (self.types is None or event.type in self.types)
            and (self.category is None or event.stream.startswith(f"{self.category}-"))
            and (self.stream is None or event.stream == self.stream)
            and (self.prefix is None or event.stream.startswith(self.prefix))
            and (self.correlation is None or event.correlation_id == self.correlation)
            and (self.causation is None or event.causation_id == self.causation)
            and (self.caused_by is None or _begins(event.metadata, self.caused_by))
        )


def _begins(metadata: bytes | None, cause: UUID) -> bool:
    return metadata is not None and metadata.startswith(f'{{"{CAUSE}":"{cause}"'.encode())


EVERYTHING: Final = EventFilter()
"""Matches every event."""
