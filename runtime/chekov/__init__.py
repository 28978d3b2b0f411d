"""What the author of a domain imports, and a program that runs one."""

from typing import TYPE_CHECKING

from chekov.domain.aggregate import Aggregate, CommandHandler, apply, execute, prepare
from chekov.domain.connection import Connection
from chekov.domain.context import Context, Delivered
from chekov.domain.definitions import definition_of, stream_of
from chekov.domain.domain import Domain
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.event_filter import EventFilter
from chekov.domain.failure import Again, Park, Retry, Skip, Stop
from chekov.domain.handler import (
    EventHandler,
    Projection,
    Transaction,
    TransactionEnded,
    handle,
    query,
)
from chekov.domain.handler_definition import HandlerSettings
from chekov.domain.lifespan import Lifespan, LifespanFailed
from chekov.domain.messages import Command, Event, Identifier
from chekov.domain.middleware import Middleware
from chekov.domain.personal import FORGOTTEN, Forgotten, Personal
from chekov.domain.process_manager import (
    ProcessManager,
    expired,
    finish,
    proceed,
    rejected,
    start,
)
from chekov.domain.serializer import Serializer
from chekov.domain.timers import Schedule, Timer
from chekov.domain.upcasting import Origin, Upcaster, upcast
from chekov.engine.commands.aggregates import Loaded
from chekov.engine.commands.consistency import HandlerFailed
from chekov.engine.commands.execution import Dispatched
from chekov.engine.observer import CommandObservation, Observer
from chekov.engine.subscriptions.status import SubscriptionStatus
from chekov.errors import (
    AnotherStore,
    CheckpointAhead,
    ChekovError,
    CommandIdReused,
    CommandTimeout,
    ConsistencyTimeout,
    DefinitionError,
    Draining,
    DuplicateCommand,
    DuplicateEvent,
    EventNotFound,
    HistoryTruncated,
    InexactEvent,
    InvalidAppend,
    InvalidArgument,
    InvalidCommand,
    KeyUnusable,
    Overloaded,
    Rejected,
    SchemaMismatch,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    StreamDeleted,
    StreamExists,
    StreamNotFound,
    TooManyConflicts,
    Undecodable,
    UnknownCommand,
    UnknownQuery,
    UnknownSubscription,
    UnusableState,
    WrongExpectedVersion,
)
from chekov.runtime import Runtime
from chekov.serialization.results import UnexpectedResult
from chekov.serialization.serializers import Json, MessagePack
from chekov.store.memory import MemoryStore
from chekov.store.port import (
    Expected,
    Generation,
    GenerationRefused,
    NewEvent,
    ProjectionBuilding,
    QueriesOverloaded,
    QueryTimeout,
    RecordedEvent,
)

if TYPE_CHECKING:
    from chekov.store.postgres import PostgresStore

__all__ = [
    "FORGOTTEN",
    "Again",
    "Aggregate",
    "AnotherStore",
    "CheckpointAhead",
    "ChekovError",
    "Command",
    "CommandEnvelope",
    "CommandHandler",
    "CommandIdReused",
    "CommandObservation",
    "CommandTimeout",
    "Connection",
    "ConsistencyTimeout",
    "Context",
    "DefinitionError",
    "Delivered",
    "Dispatched",
    "Domain",
    "Draining",
    "DuplicateCommand",
    "DuplicateEvent",
    "Event",
    "EventFilter",
    "EventHandler",
    "EventNotFound",
    "Expected",
    "Forgotten",
    "Generation",
    "GenerationRefused",
    "HandlerFailed",
    "HandlerSettings",
    "HistoryTruncated",
    "Identifier",
    "InexactEvent",
    "InvalidAppend",
    "InvalidArgument",
    "InvalidCommand",
    "Json",
    "KeyUnusable",
    "Lifespan",
    "LifespanFailed",
    "Loaded",
    "MemoryStore",
    "MessagePack",
    "Middleware",
    "NewEvent",
    "Observer",
    "Origin",
    "Overloaded",
    "Park",
    "Personal",
    "PostgresStore",
    "ProcessManager",
    "Projection",
    "ProjectionBuilding",
    "QueriesOverloaded",
    "QueryTimeout",
    "RecordedEvent",
    "Rejected",
    "Retry",
    "Runtime",
    "Schedule",
    "SchemaMismatch",
    "Serializer",
    "Skip",
    "Stop",
    "StoreClosed",
    "StoreError",
    "StoreUnavailable",
    "StreamDeleted",
    "StreamExists",
    "StreamNotFound",
    "SubscriptionStatus",
    "Timer",
    "TooManyConflicts",
    "Transaction",
    "TransactionEnded",
    "Undecodable",
    "UnexpectedResult",
    "UnknownCommand",
    "UnknownQuery",
    "UnknownSubscription",
    "UnusableState",
    "Upcaster",
    "WrongExpectedVersion",
    "apply",
    "definition_of",
    "execute",
    "expired",
    "finish",
    "handle",
    "prepare",
    "proceed",
    "query",
    "rejected",
    "start",
    "stream_of",
    "upcast",
]


def __getattr__(name: str) -> object:
    """Import `PostgresStore` when it is first used: it needs the driver of `chekov[postgres]`."""
    if name != "PostgresStore":
        raise AttributeError(f"module 'chekov' has no attribute {name!r}")
    from chekov.store.postgres import PostgresStore  # noqa: PLC0415 only if needed

    return PostgresStore
