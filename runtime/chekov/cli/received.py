"""Events of a service as those of a store, so that both are shown by the same code."""

from typing import Any

from chekov.client import ReceivedEvent
from chekov.serialization.json import to_json
from chekov.store.port import RecordedEvent


def recorded(event: ReceivedEvent[Any]) -> RecordedEvent:
    """An event of a service as its store has it."""
    return RecordedEvent(
        id=event.id,
        stream=event.stream,
        position=event.position,
        version=event.version,
        type=event.type,
        data=event.data,
        metadata=to_json(event.metadata) if event.metadata else None,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        time=event.time,
    )
