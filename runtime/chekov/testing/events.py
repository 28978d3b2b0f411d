"""Events of a running service, for tests: waiting for one, and what belongs together."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final, TypeVar

from chekov.domain.context import Delivered
from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.messages import Event
from chekov.runtime import Runtime

E = TypeVar("E", bound=Event)

_PATIENCE: Final = 30.0
_LAST: Final = 10


class Events:
    """The events of a runtime that is entered.

    Args:
        runtime: whose.
        timeout: seconds after which `wait_for` fails, unless a call says otherwise. Be generous: a
            test that passes does not wait for it.
    """

    def __init__(self, runtime: Runtime, *, timeout: float = _PATIENCE) -> None:
        self._runtime = runtime
        self._timeout = timeout

    async def wait_for(
        self,
        kind: type[E],
        where: Callable[[E], bool] | None = None,
        *,
        after: int = 0,
        timeout: float | None = None,
    ) -> Delivered[E]:
        """Return the first event of a type, as soon as it is stored.

        Args:
            kind: the type, or a base class of several.
            where: which of them; any when left out.
            after: only later than this position.
            timeout: seconds to wait.

        Raises:
            AssertionError: there is none in time; it names the last events of the log.
        """
        try:
            async with asyncio.timeout(self._timeout if timeout is None else timeout):
                return await self._first(kind, where, after)
        except TimeoutError:
            raise AssertionError(
                f"no {kind.__qualname__}{' of this kind' if where else ''} was stored in time; "
                f"the last events are {await self._last()}"
            ) from None

    async def assert_correlated(
        self,
        first: type[E],
        *others: type[Event],
        where: Callable[[E], bool] | None = None,
        timeout: float | None = None,
    ) -> list[Delivered[Any]]:
        """Return the first event of a type and, for each further type, one that follows from it.

        Those are later and have its correlation id: they go back to the same request, through
        event handlers and process managers.

        Args:
            first: the type of the event that they follow from.
            others: the types of these.
            where: which event of the first type; any when left out.
            timeout: seconds to wait for each.

        Raises:
            AssertionError: one of them is not stored in time; it names what is correlated.
        """
        found: list[Delivered[Any]] = [await self.wait_for(first, where, timeout=timeout)]
        context = found[0].context
        correlated = EventFilter(correlation=context.correlation_id)
        for kind in others:
            try:
                async with asyncio.timeout(self._timeout if timeout is None else timeout):
                    found.append(await self._first(kind, None, context.position, correlated))
            except TimeoutError:
                raise AssertionError(
                    f"no {kind.__qualname__} follows from {found[0].event}; what has the "
                    f"correlation id {context.correlation_id} is {await self._last(correlated)}"
                ) from None
        return found

    async def _first(
        self,
        kind: type[E],
        where: Callable[[E], bool] | None,
        after: int,
        filter_: EventFilter = EVERYTHING,
    ) -> Delivered[E]:
        wanted = self._runtime.subscribe(kind, filter=filter_, after=after)
        async with aclosing(wanted):
            async for delivered in wanted:
                if where is None or where(delivered.event):
                    return delivered
        raise AssertionError(f"the runtime ended before a {kind.__qualname__} was stored")

    async def _last(self, filter_: EventFilter = EVERYTHING) -> str:
        found: list[str] = []
        stored = self._runtime.events(filter=filter_, backwards=True)
        async with aclosing(stored):
            async for delivered in stored:
                found.append(f"{delivered.context.position} {delivered.event}")
                if len(found) == _LAST:
                    break
        return "; ".join(reversed(found)) or "none"
