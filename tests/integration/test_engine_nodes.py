"""Processes share the subscriptions of a domain, and take over from one that is gone."""

import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from chekov import (
    Context,
    Domain,
    EventHandler,
    IdentityTaken,
    PostgresStore,
    Runtime,
    handle,
)
from tests.integration.engine_domain import Totals, counting
from tests.integration.engine_process import LEASE, process
from tests.unit.engine.counter_domain import Add, Added, Counter, status
from tests.waiting import until

LONG = 3600.0

PATIENCE = 50.0
"""Seconds, fewer than the minute after which Postgres ends a transaction that idles."""


async def seen(runtime: Runtime) -> Sequence[int]:
    return cast("Sequence[int]", await runtime.query("totals", "seen", {}))


async def sql(dsn: str, statement: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_killed_owner_is_noticed_by_its_session_long_before_its_lease(dsn: str) -> None:
    async with process(dsn, commands=50, lease=LONG) as owner:
        await owner.says("owned")
        async with Runtime(counting(Totals()), store=dsn, lease=LONG, node="heir") as heir:
            await owner.says("done")
            assert not status(heir, "totals").owned
            await owner.kill()
            head = (await heir.dispatch(Add(counter="heir", amount=1))).position
            await heir.wait(head, timeout=240)
            assert status(heir, "totals").owned
            assert await seen(heir) == list(range(1, head + 1))
        assert await sql(dsn, "select count(*) from chekov.nodes where id like 'heir/%'") == 0


async def test_an_owner_that_is_stopped_and_goes_on_commits_nothing_any_more(dsn: str) -> None:
    async with process(dsn, commands=100_000, lease=LEASE) as owner:
        await owner.says("owned")
        async with Runtime(counting(Totals()), store=dsn, lease=LEASE, node="heir") as heir:
            for _ in range(2):
                before = await heir.store.head()
                await until(lambda before=before: status(heir, "totals").position > before)
                owner.child.send_signal(signal.SIGSTOP)
                head = (await heir.dispatch(Add(counter="heir", amount=1))).position
                await heir.wait(head, timeout=PATIENCE)
                # What the owner was sending when it was stopped may still have been stored.
                assert (await seen(heir))[:head] == list(range(1, head + 1))
                owner.child.send_signal(signal.SIGCONT)
            await owner.kill()
            head = (await heir.dispatch(Add(counter="heir", amount=1))).position
            await heir.wait(head, timeout=PATIENCE)
            assert await seen(heir) == list(range(1, head + 1))


NAMES = ("a", "b", "c", "d", "e", "f")


def handlers(heard: list[tuple[str, int]]) -> list[EventHandler]:
    def handler(name: str) -> EventHandler:
        class Heard(EventHandler, name=name, consistency="strong"):
            @handle
            async def added(self, event: Added, context: Context) -> None:
                heard.append((name, context.position))

        return Heard()

    return [handler(name) for name in NAMES]


@asynccontextmanager
async def node(
    store: str | PostgresStore, name: str, heard: list[tuple[str, int]]
) -> AsyncGenerator[Runtime]:
    domain = Domain("counting", aggregates=[Counter], handlers=handlers(heard))
    async with Runtime(domain, store=store, node=name, lease=LONG) as runtime:
        yield runtime


def shares(*runtimes: Runtime) -> list[int]:
    return [sum(item.owned for item in one.subscriptions.values()) for one in runtimes]


async def test_each_node_has_its_share_as_others_join_and_leave(dsn: str) -> None:
    heard: list[tuple[str, int]] = []
    async with node(dsn, "one", heard) as one:
        await until(lambda: shares(one) == [6])
        async with node(dsn, "two", heard) as two:
            await until(lambda: shares(one, two) == [3, 3])
            await one.dispatch(Add(counter="a", amount=1), consistency="strong")
            async with node(dsn, "three", heard) as three:
                await until(lambda: shares(one, two, three) == [2, 2, 2])
                await two.dispatch(Add(counter="a", amount=1), consistency="strong")
            await until(lambda: shares(one, two) == [3, 3])
            await one.dispatch(Add(counter="a", amount=1), consistency="strong")
        await until(lambda: shares(one) == [6])
        await one.dispatch(Add(counter="a", amount=1), consistency="strong")
    assert sorted(heard) == [(name, position) for name in NAMES for position in range(1, 5)]


async def test_another_domain_with_the_same_identity_waits_until_the_first_is_gone(
    dsn: str,
) -> None:
    other = Domain("tallying", aggregates=[Counter], handlers=handlers([]))
    async with node(dsn, "one", []), node(dsn, "two", []):
        with pytest.raises(IdentityTaken, match="'tallying' and 'counting' both have"):
            async with Runtime(other, store=dsn, lease=LONG):
                pass
    async with Runtime(other, store=dsn, lease=LONG) as runtime:
        assert runtime.healthy


async def test_a_node_whose_session_was_lost_has_another_and_keeps_its_share(dsn: str) -> None:
    heard: list[tuple[str, int]] = []
    async with node(dsn, "one", heard) as one, node(dsn, "two", heard) as two:
        await until(lambda: shares(one, two) == [3, 3])
        before = await sql(dsn, "select backend from chekov.nodes where id like 'one/%'")
        epochs = await sql(dsn, "select sum(epoch) from chekov.subscriptions")
        await sql(dsn, f"select pg_terminate_backend({before})")

        async def has_another() -> bool:
            found = await two.store.nodes.list("counting", lease=LONG)
            [item] = [item for item in found if item.id.startswith("one/")]
            return not item.vanished and str(before) not in str(item.session)

        await until(has_another)
        await two.dispatch(Add(counter="a", amount=1), consistency="strong")
        assert shares(one, two) == [3, 3]
        assert await sql(dsn, "select sum(epoch) from chekov.subscriptions") == epochs


async def test_after_a_restart_of_the_server_a_missing_session_proves_nothing(dsn: str) -> None:
    async with process(dsn, commands=0, lease=LONG) as owner:
        await owner.says("owned")
        async with Runtime(counting(), store=dsn, node="other") as other:
            await owner.kill()

            async def vanished() -> bool:
                [item] = await other.store.nodes.list("counting", lease=LONG)
                return item.vanished

            await until(vanished)
            await sql(
                dsn, "update chekov.nodes set server_started = server_started - interval '1h'"
            )
            assert not await vanished()


async def test_nodes_behind_a_pooler_have_no_session_and_share_all_the_same(dsn: str) -> None:
    heard: list[tuple[str, int]] = []
    pooled = [PostgresStore(dsn, pooled=True) for _ in range(2)]
    async with node(pooled[0], "one", heard) as one, node(pooled[1], "two", heard) as two:
        await until(lambda: shares(one, two) == [3, 3])
        found = await one.store.nodes.list("counting", lease=LONG)
        assert [(item.session, item.vanished) for item in found] == [(None, False)] * 2
    async with node(dsn, "last", heard) as last:
        await until(lambda: shares(last) == [6])
