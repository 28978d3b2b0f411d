"""What every store must do, as a test suite for authors of stores: a class per role.

Subclass `StoreContract` in a test module and give it a fixture `store` that yields an open, empty
store; for a store with read models, `ReadModelsContract` and `GenerationsContract` too, and where a
node keeps a session, `NodeSessionsContract`. They need pytest with pytest-asyncio in its automatic
mode.
"""

from chekov.testing.contract.commit_reports import CommitReportsContract
from chekov.testing.contract.conditions import ConditionsContract
from chekov.testing.contract.event_store import EventStoreContract
from chekov.testing.contract.figures import FiguresContract
from chekov.testing.contract.filters import FilterContract
from chekov.testing.contract.generations import GenerationsContract
from chekov.testing.contract.hostile import HostileContract
from chekov.testing.contract.keys import KeysContract
from chekov.testing.contract.layouts import LayoutsContract
from chekov.testing.contract.nodes import NodesContract, NodeSessionsContract
from chekov.testing.contract.parking import ParkingContract
from chekov.testing.contract.processes import ProcessesContract
from chekov.testing.contract.read_models import ReadModelsContract
from chekov.testing.contract.schedules import SchedulesContract
from chekov.testing.contract.set_aside import SetAsideContract
from chekov.testing.contract.snapshots import SnapshotsContract
from chekov.testing.contract.streams import StreamsContract
from chekov.testing.contract.subscriptions import SubscriptionsContract
from chekov.testing.contract.tag_index import TagIndexContract
from chekov.testing.contract.tail import TailContract

__all__ = [
    "CommitReportsContract",
    "ConditionsContract",
    "EventStoreContract",
    "FiguresContract",
    "FilterContract",
    "GenerationsContract",
    "HostileContract",
    "KeysContract",
    "LayoutsContract",
    "NodeSessionsContract",
    "NodesContract",
    "ParkingContract",
    "ProcessesContract",
    "ReadModelsContract",
    "SchedulesContract",
    "SetAsideContract",
    "SnapshotsContract",
    "StoreContract",
    "StreamsContract",
    "SubscriptionsContract",
    "TagIndexContract",
    "TailContract",
]


class StoreContract(
    EventStoreContract,
    ConditionsContract,
    FilterContract,
    HostileContract,
    StreamsContract,
    SubscriptionsContract,
    LayoutsContract,
    NodesContract,
    FiguresContract,
    ParkingContract,
    ProcessesContract,
    SetAsideContract,
    SchedulesContract,
    SnapshotsContract,
    KeysContract,
    CommitReportsContract,
    TagIndexContract,
    TailContract,
):
    """Every role but read models."""
