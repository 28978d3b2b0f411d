"""Given events, what queries answer: a projection in tables of its own, without a service."""

import copy
from typing import Any, Final, Self
from uuid import uuid4

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.failure import Retry
from chekov.domain.handler import Projection
from chekov.domain.messages import Event
from chekov.errors import ConsistencyTimeout, HandlerFailed
from chekov.runtime import Runtime
from chekov.store.port import Expected, NewEvent

_DOMAIN: Final = "spec"


class ProjectionSpec:
    """A projection with a history, to ask queries of.

    Each query stores the events in a schema that is made for it, lets a `Runtime` hand them to the
    projection as it does in a service, asks, and drops everything again.

    Args:
        projection: as it is registered in a domain.
        dsn: a database in which schemas may be made, such as that of `embedded_postgres`.

    Raises:
        DefinitionError: the projection is wrong as written; every fault is listed.
    """

    def __init__(self, projection: Projection, dsn: str) -> None:
        self._domain = Domain(_DOMAIN, handlers=[projection])
        self._projection = projection
        self._dsn = dsn
        self._events: tuple[tuple[str, Event], ...] = ()

    def given(self, *events: Event, stream: str = "given") -> Self:
        """Another spec, in which these events came after those before.

        Args:
            events: what the projection is given.
            stream: where they are; a projection sees it in its context.

        Raises:
            AssertionError: the projection does not take one of them.
        """
        for event in events:
            if type(event) not in self._domain.events.values():
                name = type(self._projection).__qualname__
                raise AssertionError(f"{name} does not take {type(event).__qualname__}")
        after = copy.copy(self)
        # A list in an event may be changed before the query.
        more = tuple((stream, copy.deepcopy(event)) for event in events)
        after._events = self._events + more  # noqa: SLF001 its own
        return after

    async def query(self, name: str, /, *, timeout: float = 60.0, **arguments: Any) -> Any:
        """What a query answers after these events; this spec does not change.

        Args:
            name: of its method.
            timeout: seconds that the projection may take.
            arguments: of the query.

        Raises:
            AssertionError: the projection failed on an event.
            UnknownQuery: it has no such query.
            InvalidArgument: the arguments are not those of the query.
            UnexpectedResult: the query returned something else than its annotation says.
            StoreUnavailable: the database does not answer.
        """
        # Most tests need no Postgres, nor its driver.
        from chekov.store.postgres.temporary_schema import temporary_schema  # noqa: PLC0415

        async with (
            temporary_schema(self._dsn) as schema,
            Runtime(
                self._domain, store=self._dsn, schema=schema, retry=Retry(attempts=1)
            ) as runtime,
        ):
            await self._handle(runtime, timeout)
            return await runtime.query(self._name, name, arguments)

    @property
    def _name(self) -> str:
        return definition_of(self._projection).name

    async def _handle(self, runtime: Runtime, timeout: float) -> None:
        position = 0
        for stream, event in self._events:
            new = NewEvent(uuid4(), definition_of(type(event)).name, runtime.codec.encode(event))
            appended = await runtime.unsealed.events.append(stream, [new], expected=Expected.ANY)
            position = appended.position
        try:
            await runtime.wait(position, [self._name], timeout)
        except (ConsistencyTimeout, HandlerFailed) as error:
            await self._fail(runtime, error)
        await self._fail(runtime)

    async def _fail(self, runtime: Runtime, cause: Exception | None = None) -> None:
        """Fail with what the projection failed with, if it did."""
        name = type(self._projection).__qualname__
        for parked in await runtime.parked(self._name, limit=1):
            _, event = self._events[parked.position - 1]
            raise AssertionError(f"{name} failed on {event}: {parked.traceback}") from cause
        for status in runtime.subscriptions.values():
            if status.error is not None:
                raise AssertionError(f"{name} failed: {status.error}") from cause
        if cause is not None:
            raise cause
