"""Reads the events of a service: those that are stored, and new ones as they are stored."""

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, TypeVar, overload

from chekov.client.event_stream import follow
from chekov.client.transport import Answer, Transport, read
from chekov.client.values import ReceivedEvent
from chekov.client.wanted import Wanted
from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.messages import Event
from chekov.serialization.answers import EventDocument, EventPage
from chekov.serialization.codec import Codec

E = TypeVar("E", bound=Event)

_DELETED: Final = "$deleted"
_LARGEST_PAGE: Final = 1000
_OK: Final = 200


class EventReader:
    """The events of one service, as `Client` offers them.

    Args:
        transport: by which they are asked for.
        codec: of the client's domain, if it has one.
    """

    def __init__(self, transport: Transport, codec: Codec | None) -> None:
        self._transport = transport
        self._codec = codec

    @overload
    def events(
        self,
        *,
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[ReceivedEvent[Event]]: ...
    @overload
    def events(
        self,
        type_: type[E],
        /,
        *types: type[E],
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[ReceivedEvent[E]]: ...
    async def events(
        self,
        *types: type[Event],
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[ReceivedEvent[Any]]:
        """The stored events, page by page, from the first to the last, or backwards.

        Args:
            types: only events of these types, or derived from them; any by default, also those
                that the client's domain does not have.
            stream: only this stream, by version.
            filter: only events that match.
            after: begin after this position, or version of the stream; backwards, before it.
            backwards: from the last to the first.
            limit: how many at most.

        Raises:
            InvalidArgument: the client's domain has no events of a type.
            StreamNotFound: there is no such stream.
            ChekovError: as `dispatch`.
        """
        wanted = Wanted.of(types, stream, filter, self._codec)
        direction = "backward" if backwards else None
        following: int | None = None if wanted.is_none else after
        left = sys.maxsize if limit is None else limit
        while following is not None and left > 0:
            size = min(left, _LARGEST_PAGE)
            call = wanted.call(after=following, limit=size, direction=direction)
            page = read(await self._transport.call(call), EventPage)
            for document in page.events:
                event = ReceivedEvent[Any].of(document, self._codec)
                if wanted.wants(event):
                    yield event
                    left -= 1
            following = page.next

    @overload
    def subscribe(
        self, *, stream: str | None = None, filter: EventFilter = EVERYTHING, after: int = 0
    ) -> AsyncGenerator[ReceivedEvent[Event]]: ...
    @overload
    def subscribe(
        self,
        type_: type[E],
        /,
        *types: type[E],
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
    ) -> AsyncGenerator[ReceivedEvent[E]]: ...
    async def subscribe(
        self,
        *types: type[Event],
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
    ) -> AsyncGenerator[ReceivedEvent[Any]]:
        """The events after a position, then new ones as they are stored: in order, once each.

        It goes on after the last event when the connection or the process at the other end is
        gone. The program keeps the position of the last event that it has handled, and begins
        after it next time. Iterate in an `aclosing` block, so that the connection is closed.

        Args:
            types: only events of these types, or derived from them. Revisions of them that are
                newer than the client's domain are passed over.
            stream: only this stream, by version; it ends when the stream is deleted.
            filter: only events that match.
            after: the position, or version of the stream, of the last event that is not wanted.

        Raises:
            InvalidArgument: the client's domain has no events of a type.
            CheckpointAhead: the log ends before this position, or was restored to an earlier state.
            WrongExpectedVersion: the stream ends before; it is another one of the same name.
            StreamNotFound, StreamDeleted: the stream does not exist, or was deleted.
            Unreachable: the service could not be reached for the time of a call.
            UnexpectedAnswer: what answers is another program.
            ChekovError: as `dispatch`.
        """
        wanted = Wanted.of(types, stream, filter, self._codec)
        call = wanted.call(after=after or None)
        url = str(self._transport.url(call))
        messages = follow(self._transport, call)
        async with aclosing(messages):
            async for data in messages:
                document = read(Answer(url, _OK, {}, data), EventDocument)
                event = ReceivedEvent[Any].of(document, self._codec)
                if wanted.filter.stream is not None and event.type == _DELETED:
                    return
                if wanted.wants(event):
                    yield event
