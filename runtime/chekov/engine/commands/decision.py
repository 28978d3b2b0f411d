"""The decision of a command handler: called with a copy of the state, within its own time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any, cast

from chekov.domain.aggregate import returned_events
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.messages import Event
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.router import Route
from chekov.errors import CommandTimeout


async def decide(
    route: Route,
    method: Callable[..., Any],
    envelope: CommandEnvelope[Any],
    instance: LiveAggregate,
) -> Iterable[Event]:
    """Return the events that a method of a command handler decides on.

    Raises:
        CommandTimeout: it took longer than its class allows.
        DefinitionError: it returned something else than events, or waits for its own instance.
        UnusableState: a value in the state cannot be copied.
    """
    context = (envelope.context,) if route.decision_takes_context else ()
    seconds = route.decision_timeout
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            with instance.held_by(method):
                decided = method(envelope.command, instance.copied_state(), *context)
                if isinstance(decided, AsyncIterator):
                    return await _collected(cast("AsyncIterator[Event]", decided))
                return returned_events(method.__qualname__, await decided)
    except TimeoutError as error:
        if seconds is None or not scope.expired():
            raise
        raise CommandTimeout(route.name, seconds, stored=False) from error


async def _collected(events: AsyncIterator[Event]) -> list[Event]:
    async with aclosing(cast("Any", events)):
        return [event async for event in events]
