"""Which stored events concern a handler, and which of its methods takes each."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid5

from chekov.domain.context import Batch, Context, Delivered
from chekov.domain.definitions import definition_of
from chekov.domain.handler import EventHandler
from chekov.domain.messages import Event
from chekov.engine.subscriptions.wanted_names import WantedNames
from chekov.errors import Undecodable
from chekov.serialization.codec import Codec
from chekov.store.port import RecordedEvent

HandlerMethod = Callable[[Any, Any], Awaitable[None]]


@dataclass(slots=True)
class Run:
    """What one call of a method is given: an event, or several in a row when it takes batches.

    Attributes:
        method: what to call; `None` when `error` says why nothing can be.
        first: the index of the first of the stored events.
        deliveries: each event with its context.
        context: of the last event.
        end: the index after the last of the stored events.
        passed: how many stored events are handled once this is.
        together: whether the method takes several.
        error: why the event cannot be read.
    """

    method: HandlerMethod | None
    first: int
    deliveries: list[Delivered[Event]]
    context: Context
    end: int
    passed: int
    together: bool = False
    error: Undecodable | None = None

    async def call(self, context: Context) -> None:
        """Call the method.

        Raises:
            Undecodable: the event cannot be read.
            Exception: what the handler raises.
        """
        if self.method is None:
            raise self.error or AssertionError
        given = self.deliveries if self.together else self.deliveries[0].event
        await self.method(given, context)


class HandlerRoutes:
    """The methods of one handler, by stored name.

    Attributes:
        decided: stored name → whether its events concern the handler, for the names asked so far.
        wants: whether events of a stored name concern it; see `WantedNames`.
        methods: each stored name that is read as one event without upcasters → its method.
        decode: reads an event of such a name.
        precede: whether only newer code reads events of a stored name; see `Revisions`.
        takes_batches: whether any method does.
        largest_batch: how many events a method takes at once.
    """

    def __init__(self, handler: EventHandler, codec: Codec) -> None:
        handlers = definition_of(handler).handlers
        methods = {
            kind: handlers[base]
            for kind in codec.event_types
            if (base := _nearest(kind, handlers)) is not None
        }
        self._by_event: dict[type[Event], HandlerMethod] = {
            kind: method.function.__get__(handler) for kind, method in methods.items()
        }
        self._batches: dict[type[Event], Batch] = {
            kind: method.batch for kind, method in methods.items() if method.batch is not None
        }
        self._batches_by_name = {
            name: batch
            for kind, batch in self._batches.items()
            for name in codec.stored_names(kind)
        }
        self.takes_batches = bool(self._batches)
        self.largest_batch = max((batch.size for batch in self._batches.values()), default=1)
        names = {
            name: method
            for kind, method in self._by_event.items()
            for name in codec.stored_names(kind)
        }
        self._codec = codec
        wanted = WantedNames(self._by_event, codec)
        self.decided, self.wants = wanted.decided, wanted.wants
        self.methods = {name: method for name, method in names.items() if not codec.is_upcast(name)}
        self.decode = codec.decode
        self.precede = codec.revisions.precede

    async def invoke_upcast(self, recorded: RecordedEvent, context: Context) -> None:
        """Call the handler with each event that a recorded one becomes and that it takes.

        Raises:
            Undecodable: one of them cannot be decoded; the handler is not called at all.
            Exception: what the handler raises; it is not called with the rest.
        """
        for number, event in enumerate(self._codec.decode_all(recorded)):
            method = self._by_event.get(type(event))
            if method is not None:
                await method(event, part_of(context, number))

    def patience(self, wanted: Sequence[RecordedEvent]) -> float:
        """For how many seconds to wait for more events before these are handled.

        That is when they are fewer than the one method takes at once that all of them concern.
        """
        found = {self._batches_by_name.get(event.type) for event in wanted}
        batch = found.pop() if len(found) == 1 else None
        return batch.wait.total_seconds() if batch and len(wanted) < batch.size else 0.0

    def runs(
        self, events: Sequence[RecordedEvent], context_of: Callable[[RecordedEvent], Context]
    ) -> Iterator[Run]:
        """What the methods are called with, one call after the other, in the order of events."""
        run: Run | None = None
        for index, recorded in enumerate(events):
            context = context_of(recorded)
            try:
                # Looked up here, since `decode_all` looks for upcasters each time.
                one = recorded.type in self.methods
                decoded = [self.decode(recorded)] if one else self._codec.decode_all(recorded)
            except Undecodable as error:
                if run is not None:
                    run.passed = index
                    yield run
                    run = None
                yield Run(None, index, [], context, index + 1, index, error=error)
                continue
            for number, event in enumerate(decoded):
                method = self._by_event.get(type(event))
                if method is None:
                    continue
                batch = self._batches.get(type(event))
                if run is not None and (
                    batch is None or run.method != method or len(run.deliveries) >= batch.size
                ):
                    run.passed = index
                    yield run
                    run = None
                if run is None:
                    run = Run(method, index, [], context, index, index, together=batch is not None)
                run.context = part_of(context, number)
                run.deliveries.append(Delivered(event, run.context))
                run.end = index + 1
        if run is not None:
            run.passed = len(events)
            yield run

    def first(self, recorded: RecordedEvent) -> Event:
        """The first event that a recorded one becomes and that the handler takes.

        Raises:
            Undecodable: there is none.
        """
        if recorded.type in self.methods:
            return self.decode(recorded)
        for event in self._codec.decode_all(recorded):
            if type(event) in self._by_event:
                return event
        raise Undecodable(
            recorded.type, recorded.stream, recorded.version, "upcasters make no event of it"
        )


def _nearest(kind: type[Event], handlers: Mapping[type[Event], object]) -> type[Event] | None:
    """The handled type that an event is: its own, or the nearest of its base classes."""
    return next((base for base in kind.__mro__ if base in handlers), None)


def part_of(context: Context, number: int) -> Context:
    """The context of one of several events; ids tell repetitions apart, so each has its own."""
    return replace(context, id=uuid5(context.id, str(number))) if number else context
