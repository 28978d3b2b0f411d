"""What the engine needs of a store: two protocols and the values they carry."""

from chekov.store.port.events import (
    Appended,
    Direction,
    EventStore,
    Expected,
    ExpectedVersion,
    NewEvent,
    RecordedEvent,
    StreamInfo,
)
from chekov.store.port.store import Store
from chekov.store.port.subscriptions import (
    Claim,
    ParkedEvent,
    SubscriptionKey,
    SubscriptionRow,
    SubscriptionStore,
)

__all__ = [
    "Appended",
    "Claim",
    "Direction",
    "EventStore",
    "Expected",
    "ExpectedVersion",
    "NewEvent",
    "ParkedEvent",
    "RecordedEvent",
    "Store",
    "StreamInfo",
    "SubscriptionKey",
    "SubscriptionRow",
    "SubscriptionStore",
]
