"""The keys that a handler's `@partition` methods give to stored events."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from chekov.domain.context import Context
from chekov.domain.handler import EventHandler
from chekov.domain.handler_definition import HandlerDefinition
from chekov.domain.messages import Event
from chekov.domain.partitioning import key_text, takes_context
from chekov.engine.subscriptions.handler_routes import HandlerRoutes
from chekov.store.port import RecordedEvent

_MOST_KNOWN: Final = 4096
"""Events whose keys are kept: each is asked for several times while it is handled."""


class PartitionKeys:
    """The key of each event that concerns one handler.

    Of an event that upcasters split, the first part that the handler takes has it.

    Args:
        handler: has the methods.
        definition: of the handler.
        routes: say which events it takes.
        context_of: makes the context of an event.
    """

    def __init__(
        self,
        handler: EventHandler,
        definition: HandlerDefinition,
        routes: HandlerRoutes,
        context_of: Callable[[RecordedEvent], Context],
    ) -> None:
        self._handler = handler
        self._methods = definition.keys
        self._routes = routes
        self._context_of = context_of
        self._known: dict[UUID, str | None] = {}
        self._failing: set[UUID] = set()

    def key(self, event: RecordedEvent) -> str | None:
        """The key of an event; `None` if only newer code can say.

        The name of its stream stands for a key that cannot be had: the event is at fault when it is
        handled, and `check` says why.
        """
        try:
            return self._known[event.id]
        except KeyError:
            pass
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._failing.clear()
        try:
            key = self._ask(event)
        except Exception:  # noqa: BLE001 `check` raises it
            key = event.stream
            self._failing.add(event.id)
        self._known[event.id] = key
        return key

    def check(self, event: RecordedEvent) -> None:
        """Check that an event has a key.

        Raises:
            Undecodable: it cannot be read.
            InvalidPartitionKey: the method returned something else.
            Exception: what the method raises.
        """
        self.key(event)
        if event.id in self._failing:
            self._ask(event)

    def _ask(self, event: RecordedEvent) -> str | None:
        if self._routes.precede(event.type):
            return None
        decoded = self._routes.first(event)
        method = self._method_for(type(decoded))
        arguments: tuple[Any, ...] = (decoded,)
        if takes_context(method):
            arguments = decoded, self._context_of(event)
        key = method.function(self._handler, *arguments)
        return key_text(f"{type(self._handler).__qualname__}.{method.name}", key)

    def _method_for(self, kind: type[Event]) -> Any:
        return next(self._methods[base] for base in kind.__mro__ if base in self._methods)
