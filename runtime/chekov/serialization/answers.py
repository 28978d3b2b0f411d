"""What the HTTP API answers, read by clients: the counterpart of the server's `rendering`."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from chekov.errors import UnusableState
from chekov.serialization.results import UnexpectedResult
from chekov.serialization.states import state_decoder

T = TypeVar("T")

_NULL: Final = msgspec.Raw(b"null")


class MalformedAnswer(ValueError):
    """The content is not what the API answers."""


class EventDocument(msgspec.Struct, frozen=True):
    """A stored event."""

    position: int
    stream: str
    version: int
    id: UUID
    type: str
    time: datetime
    correlation_id: UUID | None
    causation_id: UUID | None
    metadata: dict[str, Any]
    data: msgspec.Raw
    data_base64: bytes | None = None

    @property
    def content(self) -> bytes:
        """The event's payload: JSON, or what the domain's serializer wrote."""
        return bytes(self.data) if self.data_base64 is None else self.data_base64


class CommandDocument(msgspec.Struct, frozen=True):
    """What a command stored."""

    stream: str
    version: int
    position: int
    command_id: UUID
    correlation_id: UUID
    events: list[EventDocument] = []
    repeated: bool = False
    state: msgspec.Raw = _NULL
    state_error: str | None = None
    behind: list[str] = []
    failed: list[str] = []


class EventPage(msgspec.Struct, frozen=True):
    """Stored events, and the `after` of the next page; `None` on the last."""

    events: list[EventDocument]
    next: int | None


class StateDocument(msgspec.Struct, frozen=True):
    """The state of an instance."""

    stream: str
    version: int
    state: msgspec.Raw


class ScheduledDocument(msgspec.Struct, frozen=True):
    """The id of a scheduled command."""

    scheduled: UUID


def read_answer(data: bytes, kind: type[T]) -> T:
    """Read an answer of the API.

    Raises:
        MalformedAnswer: it is another one.
    """
    try:
        return _decoder(kind)(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(str(error)) from error


def read_state(data: bytes, aggregate: type[T]) -> T:
    """A state from JSON.

    Raises:
        UnusableState: it does not fit the class, or JSON cannot hold its states.
    """
    try:
        state: T = state_decoder(aggregate)(data)
    except Exception as error:
        raise UnusableState(
            f"the state of {aggregate.__qualname__} cannot be read from JSON: {error}"
        ) from error
    return state


def read_result(query: str, data: bytes, declared: Any) -> Any:
    """The result of a query as the type in its annotation; plain values without one.

    Args:
        query: its projection and name, for errors.
        data: JSON.
        declared: the annotation, `None` without one; with a type that cannot be decoded, such as a
            protocol, the values stay plain.

    Raises:
        UnexpectedResult: it does not fit, or is not JSON.
    """
    try:
        if declared is not None:
            with suppress(TypeError, NameError):
                return msgspec.json.decode(data, type=declared, strict=False)
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnexpectedResult(query, str(error)) from error


@lru_cache(64)
def _decoder(kind: type[T]) -> Callable[[bytes], T]:
    return msgspec.json.Decoder(kind).decode
