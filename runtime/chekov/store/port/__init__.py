"""What the engine needs of a store: its protocols and the values they carry."""

from chekov.store.port.events import (
    Appended,
    Direction,
    EventStore,
    Expected,
    ExpectedVersion,
    NewEvent,
    RecordedEvent,
    StreamAppend,
    StreamInfo,
)
from chekov.store.port.keys import Key, KeyStore
from chekov.store.port.snapshots import Snapshot, SnapshotStore
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
    "Key",
    "KeyStore",
    "NewEvent",
    "ParkedEvent",
    "RecordedEvent",
    "Snapshot",
    "SnapshotStore",
    "Store",
    "StreamAppend",
    "StreamInfo",
    "SubscriptionKey",
    "SubscriptionRow",
    "SubscriptionStore",
]
