"""Links: events that let others appear in a second stream."""

import json
from typing import Final
from uuid import UUID, uuid5

from chekov.domain.names import OWN
from chekov.errors import EventNotFound
from chekov.store.port import NewEvent, RecordedEvent
from chekov.store.validation import LINK

_SPACE: Final = UUID("b3f0b1c4-6d0e-5c55-9a56-0d6f6e8f7a21")


def linkable(event: RecordedEvent | None, position: int) -> RecordedEvent:
    """Return the event at a position, if it can be linked.

    Raises:
        EventNotFound: there is no event, or it is one of the store's own.
    """
    if event is None or event.type.startswith(OWN):
        raise EventNotFound(position)
    return event


def new_link(stream: str, event: RecordedEvent) -> NewEvent:
    """A link to `event` in `stream`; its id follows from both."""
    data = json.dumps({"position": event.position}).encode()
    return NewEvent(uuid5(_SPACE, f"{event.id} {stream}"), LINK, data)


def target(link: RecordedEvent) -> int:
    """The position of the event that is linked."""
    return int(json.loads(link.data)["position"])


def resolved(link: RecordedEvent, event: RecordedEvent) -> RecordedEvent:
    """The linked event as a reader of the link's stream sees it, with the link's version."""
    return event._replace(stream=link.stream, version=link.version)
