"""A handler as stored events see it: which of them concern it, and the method that takes each."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid5

from chekov.domain.handler import Context, EventHandler
from chekov.domain.messages import Event
from chekov.store.codec import Codec
from chekov.store.port import RecordedEvent

HandlerMethod = Callable[[Event, Any], Awaitable[None]]


class Recipient:
    """The methods of one handler, by stored name.

    Attributes:
        types: stored names of every event that is, or may become, one that the handler takes.
        methods: those of `types` that are read as one event without upcasters → its method.
        decode: reads an event of such a name.
    """

    def __init__(self, handler: EventHandler, codec: Codec) -> None:
        self._by_event: dict[type[Event], HandlerMethod] = {
            kind: method.function.__get__(handler) for kind, method in handler.handlers.items()
        }
        names = {
            name: method
            for kind, method in self._by_event.items()
            for name in codec.stored_names(kind)
        }
        self.types = frozenset(names)
        self.methods = {name: method for name, method in names.items() if not codec.is_upcast(name)}
        self.decode = codec.decode
        self._decode_all = codec.decode_all

    async def take_upcast(self, recorded: RecordedEvent, context: Context) -> None:
        """Call the handler with each event that a recorded one becomes and that it takes.

        Raises:
            Undecodable: before the first, when one of them cannot be had.
            Exception: what the handler raises; those behind are not handed over.
        """
        for number, event in enumerate(self._decode_all(recorded)):
            method = self._by_event.get(type(event))
            if method is not None:
                await method(event, _part(context, number))


def _part(context: Context, number: int) -> Context:
    """The context of one of several events; ids tell repetitions apart, so each has its own."""
    return replace(context, id=uuid5(context.id, str(number))) if number else context
