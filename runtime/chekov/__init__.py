"""What the author of a domain imports, and a program that runs one."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from chekov.domain.aggregate import Aggregate, SnapshotPolicy, apply, execute
from chekov.domain.authorization import (
    Action,
    Authorize,
    ForgetSubject,
    ReadEvents,
    ReadState,
    RunQuery,
)
from chekov.domain.boundary import Boundary, scope
from chekov.domain.command_context import CommandContext
from chekov.domain.command_handler import CommandHandler
from chekov.domain.command_hooks import CommandHooks, CommandLog, RateLimit
from chekov.domain.connection import Connection
from chekov.domain.context import Context, Delivered
from chekov.domain.definitions import definition_of, stream_of
from chekov.domain.domain import Domain
from chekov.domain.envelope import CommandEnvelope, Consistency
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
from chekov.domain.lifespan import Lifespan
from chekov.domain.loaded import Loaded
from chekov.domain.messages import Command, Event, Identifier, identifier
from chekov.domain.middleware import Middleware
from chekov.domain.partitioning import InvalidPartitionKey, partition
from chekov.domain.personal import FORGOTTEN, Forgotten, Personal
from chekov.domain.principal import ANONYMOUS, Principal
from chekov.domain.process_manager import (
    ProcessManager,
    UnexpectedInput,
    expired,
    finish,
    proceed,
    rejected,
    start,
)
from chekov.domain.recurrence import Missed, Recurrence
from chekov.domain.scope import Scope
from chekov.domain.serializer import Serializer
from chekov.domain.steps import steps
from chekov.domain.tags import Tag
from chekov.domain.timers import Schedule, Timer
from chekov.domain.upcasting import Origin, Upcaster, upcast
from chekov.engine.commands.cache_limits import CacheLimits
from chekov.engine.commands.execution import Dispatched
from chekov.engine.observer import CommandObservation, Observer
from chekov.engine.processes.control import ProcessStatus
from chekov.engine.processes.schedule_control import ScheduledStatus
from chekov.engine.subscriptions.abandoned import AbandonedSubscription, SubscriptionInUse
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
    Forbidden,
    HandlerFailed,
    HistoryTruncated,
    IdentityTaken,
    InexactEvent,
    InvalidAppend,
    InvalidArgument,
    InvalidCommand,
    InvalidConsistency,
    KeyUnusable,
    LifespanFailed,
    NewerRevision,
    Overloaded,
    RateLimited,
    Rejected,
    SchemaMismatch,
    StateChanged,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    StreamDeleted,
    StreamExists,
    StreamNotFound,
    TagIndexIncomplete,
    TooManyConflicts,
    TooManyRecurring,
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
    ConditionAhead,
    ConditionFailed,
    DiscardedEvent,
    DiscardedInput,
    Expected,
    Generation,
    GenerationRefused,
    NewEvent,
    NoneSince,
    ParkedEvent,
    ParkedGroup,
    ProjectionBuilding,
    QueriesOverloaded,
    QueryTimeout,
    RecordedEvent,
    RewindRefused,
    Store,
    StreamAppend,
    StreamInfo,
    SubscriptionKey,
)

if TYPE_CHECKING:
    from chekov.store.postgres import PostgresStore

__all__: list[str] = [
    "ANONYMOUS",
    "FORGOTTEN",
    "AbandonedSubscription",
    "Action",
    "Again",
    "Aggregate",
    "AnotherStore",
    "Authorize",
    "Boundary",
    "CacheLimits",
    "CheckpointAhead",
    "ChekovError",
    "Command",
    "CommandContext",
    "CommandEnvelope",
    "CommandHandler",
    "CommandHooks",
    "CommandIdReused",
    "CommandLog",
    "CommandObservation",
    "CommandTimeout",
    "ConditionAhead",
    "ConditionFailed",
    "Connection",
    "Consistency",
    "ConsistencyTimeout",
    "Context",
    "DefinitionError",
    "Delivered",
    "DiscardedEvent",
    "DiscardedInput",
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
    "Forbidden",
    "ForgetSubject",
    "Forgotten",
    "Generation",
    "GenerationRefused",
    "HandlerFailed",
    "HandlerSettings",
    "HistoryTruncated",
    "Identifier",
    "IdentityTaken",
    "InexactEvent",
    "InvalidAppend",
    "InvalidArgument",
    "InvalidCommand",
    "InvalidConsistency",
    "InvalidPartitionKey",
    "Json",
    "KeyUnusable",
    "Lifespan",
    "LifespanFailed",
    "Loaded",
    "MemoryStore",
    "MessagePack",
    "Middleware",
    "Missed",
    "NewEvent",
    "NewerRevision",
    "NoneSince",
    "Observer",
    "Origin",
    "Overloaded",
    "Park",
    "ParkedEvent",
    "ParkedGroup",
    "Personal",
    "Principal",
    "ProcessManager",
    "ProcessStatus",
    "Projection",
    "ProjectionBuilding",
    "QueriesOverloaded",
    "QueryTimeout",
    "RateLimit",
    "RateLimited",
    "ReadEvents",
    "ReadState",
    "RecordedEvent",
    "Recurrence",
    "Rejected",
    "Retry",
    "RewindRefused",
    "RunQuery",
    "Runtime",
    "Schedule",
    "ScheduledStatus",
    "SchemaMismatch",
    "Scope",
    "Serializer",
    "Skip",
    "SnapshotPolicy",
    "StateChanged",
    "Stop",
    "Store",
    "StoreClosed",
    "StoreError",
    "StoreUnavailable",
    "StreamAppend",
    "StreamDeleted",
    "StreamExists",
    "StreamInfo",
    "StreamNotFound",
    "SubscriptionInUse",
    "SubscriptionKey",
    "SubscriptionStatus",
    "Tag",
    "TagIndexIncomplete",
    "Timer",
    "TooManyConflicts",
    "TooManyRecurring",
    "Transaction",
    "TransactionEnded",
    "Undecodable",
    "UnexpectedInput",
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
    "identifier",
    "partition",
    "proceed",
    "query",
    "rejected",
    "scope",
    "start",
    "steps",
    "stream_of",
    "upcast",
]

if find_spec("asyncpg") is not None:
    __all__ += ["PostgresStore"]


def __getattr__(name: str) -> object:
    """Import `PostgresStore` when it is first used: it needs the driver of `chekov[postgres]`."""
    if name != "PostgresStore":
        raise AttributeError(f"module 'chekov' has no attribute {name!r}")
    from chekov.store.postgres import PostgresStore  # noqa: PLC0415 only if needed

    return PostgresStore
