"""A database in trouble: whoever meets a silent connection drops it, and no event is blamed."""

import asyncio
import os
import signal
import socket
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import StoreUnavailable
from chekov.store.port import CheckpointMove, NewEvent, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.connection_options import dial
from tests.waiting import until

KEY = SubscriptionKey("bank", "balances")


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


async def test_a_caller_that_gives_up_on_a_silent_append_connection_drops_it(
    dsn: str, postgres_store: PostgresStore
) -> None:
    await postgres_store.append("a", [event()])
    watch = await asyncpg.connect(dsn)
    find = "select pid from pg_stat_activity where application_name = 'chekov committer'"
    stopped = [row["pid"] for row in await watch.fetch(find)]
    assert stopped
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await postgres_store.append("a", [event()])

        async def is_stored() -> bool:
            try:
                async with asyncio.timeout(2):
                    await postgres_store.append("b", [event()])
            except TimeoutError:
                return False
            return True

        await until(is_stored)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        await watch.close()


class Wrapped(Exception):
    """What a handler makes of an error."""


@pytest.mark.parametrize(
    "trouble",
    [
        "set transaction read only; create table t ()",
        "do $$ begin raise exception using errcode = '53100'; end $$",
        "do $$ begin raise exception using errcode = '53200'; end $$",
        "do $$ begin raise exception using errcode = '58030'; end $$",
    ],
    ids=["read-only", "disk-full", "out-of-memory", "io-error"],
)
async def test_trouble_of_the_database_is_not_the_handler_s(
    postgres_store: PostgresStore, trouble: str
) -> None:
    await postgres_store.subscriptions.register([KEY])
    [claim] = await postgres_store.subscriptions.claim("one", [KEY], lease=3600)

    async def handle() -> None:
        async with postgres_store.read_models.transaction(claim, CheckpointMove(1)) as connection:
            try:
                await connection.execute(trouble)
            except asyncpg.PostgresError as error:
                raise Wrapped from error

    with pytest.raises(StoreUnavailable):
        await handle()


async def test_trouble_of_another_database_is_the_handler_s(
    dsn: str, postgres_store: PostgresStore
) -> None:
    await postgres_store.subscriptions.register([KEY])
    [claim] = await postgres_store.subscriptions.claim("one", [KEY], lease=3600)
    other = await asyncpg.connect(dsn)
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with postgres_store.read_models.transaction(claim, CheckpointMove(1)):
                await other.execute("set transaction read only; create table t ()")
    finally:
        await other.close()


async def test_a_query_that_writes_is_refused_as_it_is(postgres_store: PostgresStore) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with postgres_store.read_models.read_connection() as connection:
            await connection.execute("create table t ()")


async def test_the_kernel_watches_the_peer(dsn: str) -> None:
    connection: Any = await dial(dsn.replace("localhost", "127.0.0.1"))
    try:
        found = connection._transport.get_extra_info("socket")
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
    finally:
        await connection.close()
