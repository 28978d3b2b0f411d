# Its classes are wrong on purpose, and checkers see most of it.
# pyright: basic, reportArgumentType=false, reportGeneralTypeIssues=false, reportCallIssue=false, reportUndefinedVariable=false

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from chekov import (
    Connection,
    Context,
    DefinitionError,
    Delivered,
    Domain,
    Event,
    EventHandler,
    ProcessManager,
    Projection,
    Retry,
    Transaction,
    definition_of,
    handle,
    query,
    start,
)
from tests.unit.domain.messages import Either, Left, Right
from tests.unit.domain.turning import Turns, faults, of


class Counts(Projection, name="turns", version=3, on_failure="stop"):
    tables = "create table turns (id bigint)"

    @handle
    async def turned(self, event: Left | Right, transaction: Transaction) -> None:
        pass

    @query
    async def count(self, connection: Connection, least: int = 0) -> int:
        return least


def test_the_definition_holds_what_the_class_says() -> None:
    definition = definition_of(Counts())
    assert definition == definition_of(Counts)
    assert (definition.name, definition.version, definition.on_failure) == ("turns", 3, "stop")
    assert definition.handlers.keys() == {Left, Right}
    assert definition.tables == Counts.tables
    assert [tuple(item) for item in definition.queries["count"].parameters] == [
        ("connection", Connection, True, False),
        ("least", int, False, False),
    ]


def test_attributes_and_methods_of_handlers_may_have_any_name() -> None:
    class Mail(EventHandler, name="mail"):
        def __init__(self) -> None:
            self.name = "The Library"
            self.version = self.on_failure = self.handlers = self.faults = None

        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

        def queries(self) -> None:
            pass

        def tables(self) -> None:
            pass

    domain = Domain("mailing", handlers=[Mail()])
    definition = definition_of(domain.handlers[0])
    assert (definition.name, definition.version, definition.tables) == ("mail", 1, "")
    assert definition.handlers.keys() == {Left}


def test_a_query_has_no_effect_in_an_event_handler() -> None:
    class Mail(EventHandler):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

        @query
        async def count(self, connection: Connection) -> int:
            return 0

    (fault,) = definition_of(Mail).faults
    assert "Mail.count is marked @query, which has no effect" in fault


def test_a_handler_that_yields_is_a_fault() -> None:
    class Mail(EventHandler):
        @handle
        async def left(self, event: Left, context: Context) -> object:
            yield event

    (fault,) = definition_of(Mail).faults
    assert "Mail.left must be written with `async def`" in fault


def test_a_misspelt_class_keyword_is_named_with_the_known_ones() -> None:
    with pytest.raises(DefinitionError) as caught:

        class Balances(Projection, name="balances", versions=2):
            pass

    (fault,) = caught.value.faults
    assert caught.value.subject.endswith("Balances")
    assert "no class keyword 'versions': did you mean 'version'?" in fault
    assert "name, version, retry, on_failure, partitions, partition_by, start_from" in fault


def test_handlers_are_checked() -> None:
    class Odd(EventHandler, name="odd one", version=0, on_failure="ignore"):
        @handle
        async def command(self, event: Either, context: Context) -> None:
            pass

        @handle
        async def no_context(self, event: Left) -> None:
            pass

        @handle
        async def transaction(self, event: Right, context: Transaction) -> None:
            pass

    class Idle(EventHandler, name="idle"):
        pass

    found = "\n".join(faults(of(Turns, handlers=[Odd(), Idle()])))
    for part in (
        "name 'odd one' must start with a letter",
        "version 0 must be 1 to 2147483647",
        "on_failure 'ignore' is not 'park', 'skip' or 'stop'",
        "handles Either, which is not an Event",
        "no_context takes the event and a second parameter annotated Context",
        "transaction takes the event and a second parameter annotated Context",
        "Idle handles no event",
    ):
        assert part in found


@pytest.mark.parametrize(
    ("retry", "fault"),
    [
        (Retry(attempts=0), "Odd: retry: attempts 0 must be 1 or more"),
        (Retry(first=-1.0), "Odd: retry: first -1 and longest 30 must be seconds from 0 on"),
        (Retry(longest=math.inf), "longest inf must be seconds from 0 on"),
        (5, "Odd: retry 5 is not a Retry(attempts=…"),
    ],
)
def test_retries_are_checked(retry: Any, fault: str) -> None:
    class Odd(EventHandler, retry=retry):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

    [found] = faults(of(Turns, handlers=[Odd()]))
    assert fault in found


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        ("end", "start_from 'end' is not 'origin', 'now', a position or a datetime with a zone"),
        (True, "start_from True is not 'origin', 'now'"),
        (1.5, "start_from 1.5 is not 'origin', 'now'"),
        (0, "start_from 0 must be a position, from 1 on, or 'origin' or 'now'"),
        (2**63, "must be a position"),
        (datetime(2026, 1, 1), "start_from 2026-01-01T00:00:00 needs a time zone"),  # noqa: DTZ001
    ],
)
def test_starts_are_checked(start: Any, fault: str) -> None:
    class Odd(EventHandler, start_from=start):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

    [found] = faults(of(Turns, handlers=[Odd()]))
    assert f"Odd: {fault}" in found or fault in found


def test_handlers_start_at_the_origin_and_process_managers_now() -> None:
    class Mail(EventHandler):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

    class Leading(ProcessManager):
        @start(by="text")
        def left(self, event: Left) -> None:
            pass

    class Acting(Leading, start_from=7):
        pass

    assert [item.__chekov__.start_from for item in (Mail, Counts, Leading, Acting)] == [
        "origin", "origin", "now", 7,
    ]  # fmt: skip


def test_a_filter_is_checked() -> None:
    class Odd(EventHandler, filter="turns"):  # type: ignore[arg-type]
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

    [found] = faults(of(Turns, handlers=[Odd()]))
    assert "Odd: filter 'turns' is not an EventFilter(category=…, …)" in found


def test_on_error_only_decides() -> None:
    class Odd(EventHandler):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

        async def on_error(self, error: Exception, event: Event, context: Context) -> None:  # type: ignore[override]
            pass

    [found] = faults(of(Turns, handlers=[Odd()]))
    assert "Odd.on_error must be a plain method without `async`" in found


def test_projections_are_checked() -> None:
    class Bare(Projection, name="bare"):
        @handle
        async def turned(self, event: Left, context: Context) -> None:
            pass

        @query
        def now(self, connection: Connection) -> int:
            return id(connection)

        @query
        async def unclear(self, connection: Connection, limit) -> int:  # noqa: ANN001
            del connection
            return int(limit)

        @query
        async def no_connection(self, limit: int) -> int:
            return limit

    class Same(Projection, name="BARE"):
        tables = "create table turns (id bigint)"

        @handle
        async def turned(self, event: Left, transaction: Transaction) -> None:
            pass

    found = "\n".join(faults(of(Turns, handlers=[Bare(), Same()])))
    for part in (
        "Bare needs `tables`",
        "Bare.now must be written with `async def`",
        "Bare.unclear: annotate its parameter 'limit'",
        "Bare.no_connection: annotate its first parameter with Connection",
        "share the table schema",
    ):
        assert part in found


def test_a_projection_may_take_a_plain_context() -> None:
    class Plain(Projection, name="plain"):
        tables = "create table turns (id bigint)"

        @handle
        async def turned(self, event: Left, context: Context) -> None:
            pass

    assert Domain("turning", aggregates=[Turns], handlers=[Plain()]).projections


def test_only_projections_are_strong_unless_the_class_says_otherwise() -> None:
    class Letters(EventHandler, consistency="strong"):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

    class Mail(EventHandler):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

    class Lefts(Projection):
        tables = "create table lefts ()"

        @handle
        async def left(self, event: Left, transaction: Transaction) -> None:
            pass

    class Later(Projection, consistency="eventual"):
        tables = "create table lefts ()"

        @handle
        async def left(self, event: Left, transaction: Transaction) -> None:
            pass

    kinds = (Letters, Mail, Lefts, Later)
    assert [kind.__chekov__.consistency for kind in kinds] == [
        "strong", "eventual", "strong", "eventual",
    ]  # fmt: skip
    assert not any(kind.__chekov__.faults for kind in kinds)


@pytest.mark.parametrize("consistency", ["Strong", "", 1, ["mail"]], ids=repr)
def test_a_consistency_that_does_not_exist_is_refused(consistency: Any) -> None:
    class Odd(EventHandler, consistency=consistency):
        @handle
        async def left(self, event: Left, context: Context) -> None:
            pass

    [fault] = Odd.__chekov__.faults
    assert f"consistency {consistency!r} is not 'eventual' or 'strong'" in fault


def test_a_method_takes_events_in_batches() -> None:
    class Many(EventHandler, name="many"):
        @handle(batch=(500, timedelta(seconds=1)))
        async def turned(
            self, deliveries: Sequence[Delivered[Left | Right]], context: Context
        ) -> None:
            pass

    methods = definition_of(Many).handlers
    assert methods.keys() == {Left, Right}
    assert methods[Left].batch == (500, timedelta(seconds=1))


@pytest.mark.parametrize(
    "batch",
    [(0, timedelta(0)), (1001, timedelta(0)), (5, 1.0), (5, timedelta(hours=1)), 5, (5,)],
)
def test_batches_are_checked(batch: Any) -> None:
    class Many(EventHandler, name="many"):
        @handle(batch=batch)
        async def turned(self, deliveries: Sequence[Delivered[Left]], context: Context) -> None:
            pass

    [fault] = definition_of(Many).faults
    assert fault.endswith(
        f"Many.turned: batch {batch!r} must be a number of events, 1 to 1000, and a timedelta to "
        "wait for them, a minute at most"
    )


def test_a_method_for_batches_takes_deliveries() -> None:
    class Many(EventHandler, name="many"):
        @handle(batch=(5, timedelta(0)))
        async def one(self, event: Left, context: Context) -> None:
            pass

        @handle(batch=(5, timedelta(0)))
        async def bare(self, events: Sequence[Right], context: Context) -> None:
            pass

    wanted = "Sequence[Delivered[…]] of the event type it takes, or a union of them"
    for name, fault in zip(("one", "bare"), definition_of(Many).faults, strict=True):
        assert fault.endswith(f"Many.{name}: annotate its first parameter with {wanted}")
