"""A log that goes back in time, or becomes another one, under a process that goes on."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from chekov.domain.scope import Scope, ScopeItem
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import AnotherStore, WrongExpectedVersion
from chekov.store.port import ConditionAhead, Expected, NewEvent, NoneSince, StreamAppend
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.listener import Listener
from tests.integration.restoring import back_up, restore, run
from tests.integration.standby import copy_of, execute
from tests.integration.wire import Wire
from tests.store_state import listener_has_polled
from tests.waiting import until


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


@pytest.fixture
def without_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener looks once, and no later."""

    async def never(*_: object) -> None:
        await until(lambda: False, seconds=600)

    monkeypatch.setattr(Listener, "_announce_until", never)


async def contents(store: PostgresStore) -> Sequence[tuple[int, str, int]]:
    return [(item.position, item.stream, item.version) async for item in store.read_all()]


@pytest.mark.usefixtures("without_polling")
@pytest.mark.parametrize("count", [1, 2])
async def test_nothing_is_written_beyond_the_end_of_a_restored_log(dsn: str, count: int) -> None:
    """Before the process has noticed: a lone writer assumes to know where the log ends."""
    async with PostgresStore(dsn, migrate=False) as store:
        await store.append("b", [event()])
        await listener_has_polled(dsn)
        await back_up(dsn)
        for _ in range(3):
            await store.append("a", [event() for _ in range(count)])
        await restore(dsn)
        with pytest.raises(WrongExpectedVersion) as caught:
            await store.append("a", [event() for _ in range(count)], expected=3 * count)
        assert caught.value.actual == 0
        answer = await store.append("a", [event() for _ in range(count)], expected=0)
        assert answer.position == 1 + count
        await store.append_together([StreamAppend("b", [event()], 1)])
        assert await contents(store) == [
            (1, "b", 1),
            *((2 + n, "a", 1 + n) for n in range(count)),
            (2 + count, "b", 2),
        ]


@pytest.mark.usefixtures("without_polling")
async def test_nothing_is_written_into_a_log_that_ends_at_the_same_position(dsn: str) -> None:
    async with PostgresStore(dsn, migrate=False) as store:
        await store.append("b", [event()])
        await listener_has_polled(dsn)
        await back_up(dsn)
        await store.append("a", [event()])
        await restore(dsn)
        await run(
            dsn,
            "insert into chekov.events values "
            f"(2, 'c', 1, '{uuid4()}', 't', '{{}}', null, null, null, now(), null)",
        )
        answer = await store.append("a", [event()], expected=Expected.ANY)
        assert (answer.position, answer.version) == (3, 1)


@pytest.mark.usefixtures("without_polling")
async def test_no_decision_by_lost_events_is_stored(dsn: str) -> None:
    """Wherever the log ends when it is stored: before, at, or beyond the position of its scope."""
    scope = Scope((ScopeItem(types=frozenset({"claimed"})),))
    async with PostgresStore(dsn, migrate=False) as store:
        await store.append("b", [event()])
        await listener_has_polled(dsn)
        await back_up(dsn)
        await store.append("a", [event()])
        found = await store.read_scope(scope)
        condition = NoneSince(scope, found.through, found.anchor)
        await restore(dsn)
        for _ in range(3):
            with pytest.raises(ConditionAhead):
                await store.append("c", [event()], condition=condition)
            with pytest.raises(ConditionAhead):
                await store.read_scope(scope, after=found.through, anchor=found.anchor)
            await store.append("other", [event()], expected=Expected.ANY)
        again = await store.read_scope(scope)
        condition = NoneSince(scope, again.through, again.anchor)
        assert (await store.append("c", [event()], condition=condition)).position == 5


async def test_a_log_that_was_restored_in_place_is_noticed(dsn: str) -> None:
    async with PostgresStore(dsn, migrate=False) as store:
        await store.append("a", [event()])
        await listener_has_polled(dsn)
        await back_up(dsn)
        await store.append("a", [event(), event()])
        seen = store.tail.resets.value
        await restore(dsn)
        await until(lambda: store.tail.resets.value > seen)
        assert store.tail.head.value == 1
        assert store.tail.cached(1) == ()


async def test_a_restored_log_that_is_as_long_again_is_noticed(dsn: str) -> None:
    async with PostgresStore(dsn, migrate=False) as store:
        await store.append("a", [event()])
        await listener_has_polled(dsn)
        await back_up(dsn)
        lost = await store.append("a", [event()])
        seen = store.tail.resets.value
        other = f"(2, 'c', 1, '{uuid4()}', 't', '{{}}', null, null, null, now(), null)"
        await restore(dsn, f"insert into chekov.events values {other}")
        await until(lambda: store.tail.resets.value > seen)
        page = await store.tail.after(1)
        assert page
        assert [item.id for item in page] != [lost.recorded[0].id]


async def test_another_writer_and_a_lost_connection_are_no_restore(dsn: str) -> None:
    async with (
        PostgresStore(dsn, migrate=False) as store,
        PostgresStore(dsn, migrate=False) as other,
    ):
        seen = store.tail.resets.value
        for _ in range(3):
            await store.append("a", [event()])
            await other.append("a", [event()])
            await run(
                dsn,
                "select pg_terminate_backend(pid) from pg_stat_activity where "
                "application_name like 'chekov listener%' and datname = current_database()",
            )
            head = store.tail.head.value
            assert await other.append("b", [event()])
            await until(lambda head=head: store.tail.head.value > head)
        assert store.tail.resets.value == seen


async def test_another_store_at_the_same_address_is_refused(
    private_server: EmbeddedPostgres,
) -> None:
    async with PostgresStore(private_server.dsn) as first:
        await first.append("a", [event()])
    wire = Wire(private_server.dsn)
    async with (
        copy_of(private_server) as second,
        wire.running() as through,
    ):
        await execute(second, "update chekov.store set id = gen_random_uuid()")
        cut = (
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like 'chekov%'"
        )
        async with PostgresStore(through, migrate=False) as store:
            await store.append("a", [event()])
            wire.lead_to(second.dsn)
            await execute(private_server, cut)
            with pytest.raises(AnotherStore, match="restart the process") as caught:
                await store.append("a", [event()])
            assert caught.value.stored is False
            for call in (store.ping, store.read_page, lambda: store.subscriptions.list("x")):
                with pytest.raises(AnotherStore):
                    await call()
            with pytest.raises(AnotherStore):
                async with store.read_models.read_connection():
                    pass
            wire.lead_to(private_server.dsn)
            await execute(second, cut)

            async def is_back() -> bool:
                try:
                    return await store.head() == 2
                except AnotherStore:
                    return False

            await until(is_back)
            assert (await store.append("a", [event()], expected=2)).position == 3
        # A process that starts takes what it finds.
        wire.lead_to(second.dsn)
        async with store:
            assert await store.head() == 1
