"""What every store must do, as a test suite for whoever writes one.

Subclass `StoreContract` in a test module and give it a fixture `store` that yields an open, empty
store. It needs pytest with pytest-asyncio in its automatic mode.
"""

from chekov.testing.contract.events import EventsContract
from chekov.testing.contract.hostile import HostileContract
from chekov.testing.contract.keys import KeysContract
from chekov.testing.contract.snapshots import SnapshotsContract
from chekov.testing.contract.streams import StreamsContract
from chekov.testing.contract.subscriptions import SubscriptionsContract

__all__ = [
    "EventsContract",
    "HostileContract",
    "KeysContract",
    "SnapshotsContract",
    "StoreContract",
    "StreamsContract",
    "SubscriptionsContract",
]


class StoreContract(
    EventsContract,
    StreamsContract,
    HostileContract,
    SubscriptionsContract,
    SnapshotsContract,
    KeysContract,
):
    """The whole port."""
