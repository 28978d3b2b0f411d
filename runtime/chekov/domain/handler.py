"""Event handlers and projections, which react to stored events."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import (
    Any,
    ClassVar,
    Concatenate,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from chekov.domain.connection import Connection
from chekov.domain.context import Context, Delivered
from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.failure import Decision, OnFailure, Retry
from chekov.domain.handler_definition import (
    HandlerConsistency,
    HandlerDefinition,
    StartFrom,
    keyword_faults,
)
from chekov.domain.keywords import refuse_unknown_keywords
from chekov.domain.messages import Event
from chekov.domain.methods import (
    Method,
    by_message,
    check_messages,
    mark,
    mark_batch,
    marked,
)
from chekov.domain.partitioning import PartitionBy, keyed_by, partition_faults
from chekov.errors import ChekovError

H = TypeVar("H")
E = TypeVar("E", bound=Event)
X = TypeVar("X", bound=Context)
R = TypeVar("R")
P = ParamSpec("P")


class TransactionEnded(ChekovError):
    """A handler has returned, and what it started goes on using its transaction; that is refused.

    The transaction commits with the checkpoint, or handles the next event: await everything that
    uses it inside the handler.
    """


class Writes(Protocol):
    """What a `Transaction` writes to: one database transaction, for the turn of one event."""

    def connection(self, turn: int) -> Connection:
        """The connection, which sends deferred writes before it does anything."""
        ...

    def write(self, turn: int, statement: str, args: tuple[Any, ...]) -> None:
        """Defer a write."""
        ...

    async def copy(
        self, turn: int, table: str, rows: Iterable[Sequence[Any]], columns: Sequence[str] | None
    ) -> None:
        """Copy rows into a table, after the deferred writes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Transaction(Context):
    """A `Context` whose writes commit together with the checkpoint: exactly once.

    It ends when the handler returns.
    """

    __slots__ = ()

    _writes: Writes
    _turn: int

    @property
    def connection(self) -> Connection:
        """Inside an open transaction whose search path starts at the projection's own schema.

        Deferred writes are sent before it is used. Do not commit or roll it back.

        Raises:
            TransactionEnded: when it is used after the handler has returned.
        """
        return self._writes.connection(self._turn)

    async def execute(self, statement: str, *args: Any) -> str:
        """Run a statement now, after the deferred writes, and return its command tag.

        Raises:
            TransactionEnded: the handler has returned.
        """
        return await self.connection.execute(statement, *args)

    def write(self, statement: str, *args: Any) -> None:
        """Defer a statement, and send it with others: in order, those of one text as one.

        Deferred writes are sent before anything is read or executed, and before the commit. So an
        error of the statement is not raised here; it fails the attempt at the event. To react to
        an error, use `execute`. `args` must not be changed until the handler has returned.

        Raises:
            TransactionEnded: the handler has returned.
        """
        self._writes.write(self._turn, statement, args)

    async def copy(
        self, table: str, rows: Iterable[Sequence[Any]], *, columns: Sequence[str] | None = None
    ) -> None:
        """Add rows to a table by `COPY`, the fastest way for many; deferred writes are sent before.

        Args:
            table: its name, as it is in the database.
            rows: the values of each.
            columns: that the values are for; all of the table, in its order, by default.

        Raises:
            TransactionEnded: the handler has returned.
        """
        await self._writes.copy(self._turn, table, rows, columns)


@overload
def handle(
    method: Callable[[H, E, X], Awaitable[None]],
) -> Callable[[H, E, X], Awaitable[None]]: ...
@overload
def handle(
    *, batch: tuple[int, timedelta]
) -> Callable[
    [Callable[[H, Sequence[Delivered[E]], X], Awaitable[None]]],
    Callable[[H, Sequence[Delivered[E]], X], Awaitable[None]],
]: ...
def handle(method: Any = None, *, batch: tuple[int, timedelta] | None = None) -> Any:
    """Mark the method that is called with each event of its parameter's type, or union.

    A base class stands for the events that derive from it, unless a method names a nearer one;
    `Event` stands for every event of the domain.

    With `batch`, it is called with up to so many events at once (1,000 at most), after so long was
    waited for more: as `Sequence[Delivered[…]]`, and the context of the last one.
    """
    if batch is None:
        return mark("handle", method)

    def marking(function: Any) -> Any:
        return mark_batch(mark("handle", function), batch)

    return marking


def query(
    method: Callable[Concatenate[H, Connection, P], Awaitable[R]],
) -> Callable[Concatenate[H, Connection, P], Awaitable[R]]:
    """Mark a method of a `Projection` as a query, served as `GET /queries/<projection>/<method>`.

    It is given a read-only connection; its further parameters come from the query string, converted
    to their annotations.
    """
    return mark("query", method)


def _check_handler(cls: "type[EventHandler]", method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if not method.is_coroutine:
        faults.append(f"{label} must be written with `async def`")
    check_messages(cls, method, Event, "handles", faults)
    wanted = cls.__context_type__
    if len(method.parameters) != 2 or not _is_context(method.parameters[1].annotation, wanted):
        faults.append(f"{label} takes the event and a second parameter annotated {wanted.__name__}")


def _is_context(annotation: Any, wanted: type[Context]) -> bool:
    return (
        isinstance(annotation, type)
        and issubclass(wanted, annotation)
        and issubclass(annotation, Context)
    )


class EventHandler:
    """Reacts to events, at least once each, in the order of their positions.

    Class keywords:
        name: names the subscription; the class name when left out. Under another name it starts
            anew.
        retry: how often a failing event is tried, a `Retry`; as the runtime says when left out.
        on_failure: `"park"` (the default) sets an event aside after its retries, with the later
            events of its key, and goes on with all others; `"skip"` goes on without it, and
            `"stop"` stops the subscription there until it is resumed.
        partitions: divides the events into so many parts, by their key, which are handled
            independently of each other: also at the same time, and by several processes. The
            events of one key keep their order. The number can change from one release to the next.
        partition_by: `"stream"` (the default): the key of an event is the name of its stream. For
            another key, mark a method that returns it with `@partition`.
        start_from: where it starts when it is first registered, a `StartFrom`: `"origin"` (the
            default), `"now"`, the position of the first event, or a time with a zone, which stands
            for the first event at or after it, and for `"now"` when there is none. It is looked at
            once, for all partitions: the checkpoint in the store decides from then on.
        filter: an `EventFilter`: of the events that its methods take, those that meet it.
        consistency: `"strong"` if a command that is dispatched with `consistency="strong"` is to
            wait for it; `"eventual"` when left out, and `"strong"` for projections.
    """

    __chekov__: ClassVar[HandlerDefinition] = HandlerDefinition(name="", handlers={})
    __context_type__: ClassVar[type[Context]] = Context
    __roles__: ClassVar[tuple[str, ...]] = ("handle", "partition")
    __most_partitions__: ClassVar[int] = 1000
    __consistency__: ClassVar[HandlerConsistency] = "eventual"
    __start_from__: ClassVar[StartFrom] = "origin"

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        version: int = 1,
        retry: Retry | None = None,
        on_failure: OnFailure = "park",
        partitions: int = 1,
        partition_by: PartitionBy | None = None,
        start_from: StartFrom | None = None,
        filter: EventFilter = EVERYTHING,
        consistency: HandlerConsistency | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown_keywords(cls, kwargs)
        super().__init_subclass__(**kwargs)
        faults: list[str] = []
        methods = marked(cls, cls.__roles__, faults)
        chosen = tuple(method for method in methods if method.role == "handle")
        for method in chosen:
            _check_handler(cls, method, faults)
        handlers = _by_event(cls, chosen, faults)
        keys = _by_event(cls, [item for item in methods if item.role == "partition"], faults)
        faults += partition_faults(cls, keys, handlers, partition_by)
        definition = HandlerDefinition(
            name=cls.__name__ if name is None else name,
            version=version,
            retry=retry,
            on_failure=on_failure,
            partitions=partitions,
            start_from=cls.__start_from__ if start_from is None else start_from,
            filter=filter,
            consistency=cls.__consistency__ if consistency is None else consistency,
            handlers=handlers,
            keys=keys,
            keyed_by=keyed_by(keys),
            queries={method.name: method for method in methods if method.role == "query"},
        )
        faults += keyword_faults(
            cls.__qualname__, definition, most_partitions=cls.__most_partitions__
        )
        if inspect.iscoroutinefunction(cls.on_error):
            faults.append(
                f"{cls.__qualname__}.on_error must be a plain method without `async`: it only "
                "decides"
            )
        cls.__chekov__ = replace(definition, faults=tuple(faults))

    def on_error(self, error: Exception, event: Event, context: Context) -> Decision | None:
        """Decide what follows an error, after each attempt; override it where errors differ.

        Args:
            error: what the handler raised.
            event: what it was given.
            context: of the event; `attempt` counts from 1.

        Returns:
            `Again(after=seconds)`, `Park()`, `Skip()`, `Stop()`, or `None` for what the class
            keywords say.
        """
        return None


def _by_event(
    cls: type[EventHandler], methods: Sequence[Method], faults: list[str]
) -> dict[type[Event], Method]:
    table = by_message(cls, methods, faults)
    return {kind: item for kind, item in table.items() if issubclass(kind, Event)}


class Projection(EventHandler):
    """A read model in tables of its own, written exactly once per event.

    Class keywords are those of `EventHandler`; a new `version` is built in tables of its own,
    beside the old one, from where `start_from` says. And:
        independent_writes: deferred writes of different statements may change their order, so that
            more of them are sent together; those of one statement keep theirs.

    Attributes:
        tables: SQL that creates its tables, run once in a database schema of its own.
    """

    tables: ClassVar[str] = ""

    __context_type__ = Transaction
    __roles__ = ("handle", "query")
    __most_partitions__ = 1
    __consistency__ = "strong"

    def __init_subclass__(cls, *, independent_writes: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        definition = cls.__chekov__
        faults = list(definition.faults)
        for method in definition.queries.values():
            _check_query(cls, method, faults)
        if not cls.tables.strip():
            faults.append(f"{cls.__qualname__} needs `tables`: the SQL that creates its tables")
        cls.__chekov__ = replace(
            definition,
            tables=cls.tables,
            independent_writes=independent_writes,
            faults=tuple(faults),
        )


def _check_query(cls: type[Projection], method: Method, faults: list[str]) -> None:
    label = f"{cls.__qualname__}.{method.name}"
    if not method.is_coroutine:
        faults.append(f"{label} must be written with `async def`")
    if not method.parameters or method.parameters[0].annotation is not Connection:
        faults.append(f"{label}: annotate its first parameter with Connection")
    faults.extend(
        f"{label}: annotate its parameter {item.name!r}"
        for item in method.parameters[1:]
        if item.annotation is None
    )
