"""A switchover: the former server stays up, and every connection moves to the new one."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

import pytest

from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import StoreUnavailable
from chekov.store.port import NewEvent, StreamAppend, SubscriptionKey
from chekov.store.postgres import PostgresStore, listener
from chekov.store.postgres.inspect import Inspector
from tests.integration.standby import copy_of, execute, make_read_only, promote, value
from tests.integration.wire import Wire
from tests.waiting import until

KEY = SubscriptionKey("bank", "balances")
_CONNECTIONS = "select count(*) from pg_stat_activity where application_name like 'chekov%'"


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


def patiently(call: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """A call that says whether it succeeded."""

    async def succeeds() -> bool:
        with suppress(StoreUnavailable):
            await call()
            return True
        return False

    return succeeds


async def port_of(store: PostgresStore) -> int:
    """Where a connection that is lent leads to."""
    async with store.read_models.read_connection() as connection:
        return await connection.fetchval("select inet_server_port()")


async def use_everything(store: PostgresStore) -> None:
    """Open a connection of each kind."""
    await store.append("a", [event()])
    await store.append_together([StreamAppend("together", [event()])])
    await store.ping()
    await port_of(store)
    await store.subscriptions.register([KEY])


@pytest.mark.parametrize("writes", [True, False])
async def test_every_connection_moves_to_the_new_server(
    private_server: EmbeddedPostgres, *, writes: bool
) -> None:
    """Also in a process that only reads: its listener finds the former server read-only."""
    async with PostgresStore(private_server.dsn):
        pass
    wire = Wire(private_server.dsn)
    async with (
        copy_of(private_server, standby=True) as second,
        wire.running() as through,
        PostgresStore(through, migrate=False) as store,
    ):
        await use_everything(store)
        await make_read_only(private_server)
        await promote(second, private_server)
        wire.lead_to(second.dsn)
        if writes:
            await until(patiently(lambda: store.append("b", [event()])))
        async with PostgresStore(second.dsn, migrate=False) as other:
            await until(patiently(lambda: other.append("c", [event()])))

            async def reads_it() -> bool:
                return len(await store.read_stream("c")) == 1

            await until(reads_it)
            await until(lambda: store.tail.head.value == 3 + writes)
            assert await port_of(store) == second.port
            # The listener hears of what others append there.
            head = store.tail.head.value
            await other.append("c", [event()])
            assert await store.wait("events", head, 30) == head + 1
        assert await store.append("a", [event()], expected=1)

        async def has_left() -> bool:
            return not await value(private_server, _CONNECTIONS)

        await until(has_left)
        assert await value(private_server, "select count(*) from chekov.events") == 2


async def test_a_former_server_that_takes_writes_is_left_in_time(
    private_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connection is lost, and none is needed: only the address leads elsewhere."""
    monkeypatch.setattr(listener, "_ADDRESS_SECONDS", 0.2)
    async with PostgresStore(private_server.dsn):
        pass
    wire = Wire(private_server.dsn)
    async with (
        copy_of(private_server) as second,
        wire.running() as through,
        PostgresStore(through, migrate=False) as store,
    ):
        await use_everything(store)
        generation = store.tail.resets.value
        wire.lead_to(second.dsn)

        async def has_moved() -> bool:
            return await port_of(store) == second.port

        await until(has_moved)
        await until(lambda: store.tail.resets.value > generation)
        assert (await store.append("b", [event()])).position == 1
        assert await value(second, "select count(*) from chekov.events") == 1

        async def has_left() -> bool:
            return not await value(private_server, _CONNECTIONS)

        await until(has_left)


async def test_one_connection_that_reaches_another_server_takes_the_others_along(
    private_server: EmbeddedPostgres,
) -> None:
    """The former server still takes writes: nothing but the new connection tells."""
    async with PostgresStore(private_server.dsn):
        pass
    wire = Wire(private_server.dsn)
    async with (
        copy_of(private_server) as second,
        wire.running() as through,
        PostgresStore(through, migrate=False) as store,
    ):
        await use_everything(store)
        wire.lead_to(second.dsn)
        await execute(
            private_server,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name like 'chekov listener%'",
        )
        await until(lambda: value(second, _CONNECTIONS))
        assert await port_of(store) == second.port

        async def is_there() -> bool:
            return await store.head() == await value(second, "select count(*) from chekov.events")

        await until(is_there)


async def test_a_server_that_is_read_only_for_a_while_is_used_again(
    private_server: EmbeddedPostgres,
) -> None:
    async with PostgresStore(private_server.dsn, patience=2) as store:
        await use_everything(store)
        await make_read_only(private_server)
        with pytest.raises(StoreUnavailable, match="read-only") as caught:
            await store.append("a", [event()])
        assert caught.value.stored is False
        assert len(await store.read_stream("a")) == 1
        await execute(
            private_server,
            "set default_transaction_read_only = off",
            "alter system reset default_transaction_read_only",
            "select pg_reload_conf()",
        )
        await until(patiently(lambda: store.append("a", [event()], expected=1)))


async def test_the_operators_connection_moves_too(private_server: EmbeddedPostgres) -> None:
    async with PostgresStore(private_server.dsn) as store:
        await store.append("a", [event()])
    wire = Wire(private_server.dsn)
    async with copy_of(private_server) as second, wire.running() as through:
        inspector = Inspector(through)
        assert (await inspector.status("chekov")).position == 1
        await make_read_only(private_server)
        wire.lead_to(second.dsn)
        async with PostgresStore(second.dsn, migrate=False) as store:
            await store.append("a", [event()])

        async def sees_it() -> bool:
            return (await inspector.status("chekov")).position == 2

        await until(sees_it)
        inspector.close()
