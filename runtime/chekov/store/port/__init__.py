"""The store's port: a protocol per role, and the values they carry. Payloads are bytes."""

from chekov.store.port.conditions import ConditionAhead, ConditionFailed, NoneSince
from chekov.store.port.event_store import (
    Appended,
    Direction,
    EventStore,
    Expected,
    ExpectedVersion,
    Found,
    NewEvent,
    RecordedEvent,
    StreamAppend,
)
from chekov.store.port.figures import CommandFigures, Figures
from chekov.store.port.generations import (
    Generation,
    GenerationRefused,
    Generations,
    ProjectionBuilding,
)
from chekov.store.port.keys import Key, Keys
from chekov.store.port.layouts import Layout, Layouts, ParkedPlace, RewindRefused
from chekov.store.port.nodes import Node, Nodes
from chekov.store.port.parking import (
    ALL_PARKED,
    DiscardedEvent,
    Failure,
    ParkedEvent,
    ParkedFilter,
    ParkedGroup,
    ParkedState,
    ParkingEntry,
)
from chekov.store.port.processes import (
    ChainedCommands,
    DiscardedInput,
    OpenInstance,
    OutgoingCommand,
    PendingTimer,
    ProcessChanges,
    Processes,
    ProcessFigures,
    ProcessInput,
    ProcessState,
    QueuedCommand,
    instance_key,
)
from chekov.store.port.read_models import (
    CheckpointMove,
    QueriesOverloaded,
    QueryTimeout,
    ReadModels,
    RejectedValue,
)
from chekov.store.port.schedules import (
    AfterDue,
    CommandRun,
    DueRecurring,
    RecurringCommand,
    ScheduledCommand,
    Schedules,
)
from chekov.store.port.snapshots import Snapshot, Snapshots
from chekov.store.port.store import CommitReport, Store
from chekov.store.port.streams import StreamInfo, Streams
from chekov.store.port.subscription_key import SubscriptionKey
from chekov.store.port.subscriptions import Claim, SubscriptionRow, Subscriptions
from chekov.store.port.tag_index import Attended, MissingTags, TagIndex, TagKind, TagKindState

__all__ = [
    "ALL_PARKED",
    "AfterDue",
    "Appended",
    "Attended",
    "ChainedCommands",
    "CheckpointMove",
    "Claim",
    "CommandFigures",
    "CommandRun",
    "CommitReport",
    "ConditionAhead",
    "ConditionFailed",
    "Direction",
    "DiscardedEvent",
    "DiscardedInput",
    "DueRecurring",
    "EventStore",
    "Expected",
    "ExpectedVersion",
    "Failure",
    "Figures",
    "Found",
    "Generation",
    "GenerationRefused",
    "Generations",
    "Key",
    "Keys",
    "Layout",
    "Layouts",
    "MissingTags",
    "NewEvent",
    "Node",
    "Nodes",
    "NoneSince",
    "OpenInstance",
    "OutgoingCommand",
    "ParkedEvent",
    "ParkedFilter",
    "ParkedGroup",
    "ParkedPlace",
    "ParkedState",
    "ParkingEntry",
    "PendingTimer",
    "ProcessChanges",
    "ProcessFigures",
    "ProcessInput",
    "ProcessState",
    "Processes",
    "ProjectionBuilding",
    "QueriesOverloaded",
    "QueryTimeout",
    "QueuedCommand",
    "ReadModels",
    "RecordedEvent",
    "RecurringCommand",
    "RejectedValue",
    "RewindRefused",
    "ScheduledCommand",
    "Schedules",
    "Snapshot",
    "Snapshots",
    "Store",
    "StreamAppend",
    "StreamInfo",
    "Streams",
    "SubscriptionKey",
    "SubscriptionRow",
    "Subscriptions",
    "TagIndex",
    "TagKind",
    "TagKindState",
    "instance_key",
]
