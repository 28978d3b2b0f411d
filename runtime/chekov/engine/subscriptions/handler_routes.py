"""Which stored events concern a handler, and which of its methods takes each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid5

from chekov.domain.definitions import definition_of
from chekov.domain.handler import Context, EventHandler
from chekov.domain.messages import REVISION_MARK, Event
from chekov.errors import Undecodable
from chekov.serialization.codec import Codec
from chekov.store.port import RecordedEvent

HandlerMethod = Callable[[Event, Any], Awaitable[None]]

_MOST_NAMES: Final = 10_000


class HandlerRoutes:
    """The methods of one handler, by stored name.

    Attributes:
        decided: stored name → whether its events concern the handler, for the names asked so far.
        methods: each stored name that is read as one event without upcasters → its method.
        decode: reads an event of such a name.
    """

    def __init__(self, handler: EventHandler, codec: Codec) -> None:
        handlers = definition_of(handler).handlers
        self._by_event: dict[type[Event], HandlerMethod] = {
            kind: handlers[base].function.__get__(handler)
            for kind in codec.event_types
            if (base := _nearest(kind, handlers)) is not None
        }
        names = {
            name: method
            for kind, method in self._by_event.items()
            for name in codec.stored_names(kind)
        }
        self._bases = {definition_of(kind).base_name for kind in self._by_event}
        self._codec = codec
        self.decided = dict.fromkeys(names, True)
        self.methods = {name: method for name, method in names.items() if not codec.is_upcast(name)}
        self.decode = codec.decode

    def wants(self, name: str) -> bool:
        """Whether events of a stored name concern the handler.

        Unknown newer revisions of a handled event do: during a rolling upgrade, an old pod must not
        skip what a new pod recorded.
        """
        wanted = self.decided.get(name)
        if wanted is None:
            wanted = self._is_unknown_revision(name)
            # Bounded, so that names invented by callers do not fill the memory.
            if len(self.decided) < _MOST_NAMES:
                self.decided[name] = wanted
        return wanted

    def _is_unknown_revision(self, name: str) -> bool:
        base, mark, revision = name.partition(REVISION_MARK)
        is_revision = base in self._bases and (not mark or revision.isdecimal())
        return is_revision and not self._codec.knows(name)

    async def invoke_upcast(self, recorded: RecordedEvent, context: Context) -> None:
        """Call the handler with each event that a recorded one becomes and that it takes.

        Raises:
            Undecodable: one of them cannot be decoded; the handler is not called at all.
            Exception: what the handler raises; it is not called with the rest.
        """
        for number, event in enumerate(self._codec.decode_all(recorded)):
            method = self._by_event.get(type(event))
            if method is not None:
                await method(event, _part(context, number))

    def first(self, recorded: RecordedEvent) -> Event:
        """The first event that a recorded one becomes and that the handler takes.

        Raises:
            Undecodable: there is none.
        """
        for event in self._codec.decode_all(recorded):
            if type(event) in self._by_event:
                return event
        raise Undecodable(
            recorded.type, recorded.stream, recorded.version, "upcasters make no event of it"
        )


def _nearest(kind: type[Event], handlers: Mapping[type[Event], object]) -> type[Event] | None:
    """The handled type that an event is: its own, or the nearest of its base classes."""
    return next((base for base in kind.__mro__ if base in handlers), None)


def _part(context: Context, number: int) -> Context:
    """The context of one of several events; ids tell repetitions apart, so each has its own."""
    return replace(context, id=uuid5(context.id, str(number))) if number else context
