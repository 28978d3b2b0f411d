"""What the author of a domain imports."""

from chekov.domain.aggregate import Aggregate, CommandHandler, apply, execute, prepare
from chekov.domain.definitions import definition_of, stream_of
from chekov.domain.domain import Domain
from chekov.domain.handler import (
    Connection,
    Context,
    EventHandler,
    Projection,
    Transaction,
    handle,
    query,
)
from chekov.domain.messages import Command, Event, Identifier
from chekov.domain.personal import FORGOTTEN, Forgotten, Personal
from chekov.domain.serializer import Serializer
from chekov.domain.upcasting import Origin, Upcaster, upcast
from chekov.engine.observer import CommandObservation, Observer
from chekov.errors import ChekovError, DefinitionError, Rejected
from chekov.runtime import Runtime
from chekov.serialization.serializers import Json, MessagePack
from chekov.store.memory import MemoryStore
from chekov.store.port import RecordedEvent

__all__ = [
    "FORGOTTEN",
    "Aggregate",
    "ChekovError",
    "Command",
    "CommandHandler",
    "CommandObservation",
    "Connection",
    "Context",
    "DefinitionError",
    "Domain",
    "Event",
    "EventHandler",
    "Forgotten",
    "Identifier",
    "Json",
    "MemoryStore",
    "MessagePack",
    "Observer",
    "Origin",
    "Personal",
    "Projection",
    "RecordedEvent",
    "Rejected",
    "Runtime",
    "Serializer",
    "Transaction",
    "Upcaster",
    "apply",
    "definition_of",
    "execute",
    "handle",
    "prepare",
    "query",
    "stream_of",
    "upcast",
]
