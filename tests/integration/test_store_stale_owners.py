"""What former owners lock is released by whoever takes over."""

from dataclasses import replace

import asyncpg
import pytest

from chekov.errors import StoreUnavailable
from chekov.store.port import CheckpointMove, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.claim_lock import lock_statement
from tests.waiting import until

KEY = SubscriptionKey("bank", "balances")
LONG = 3600.0


async def test_an_owner_that_is_stopped_at_its_commit_does_not_keep_its_subscription(
    postgres_store: PostgresStore,
) -> None:
    subscriptions, models = postgres_store.subscriptions, postgres_store.read_models
    await subscriptions.register([KEY])
    [old] = await subscriptions.claim("one", [KEY], lease=0)

    async def be_stopped() -> None:
        async with models.transaction(old, CheckpointMove(1)) as connection:
            await connection.execute("select from chekov.subscriptions for update")
            assert not await subscriptions.claim("two", [KEY], lease=LONG)
            assert await subscriptions.end_stale([KEY]) == 1

    with pytest.raises(StoreUnavailable):
        await be_stopped()
    [new] = await subscriptions.claim("two", [KEY], lease=LONG)
    assert (new.epoch, new.position) == (2, 0)


@pytest.mark.parametrize("epoch", [2**16 - 1, 2**16, 2**16 + 1, 2**31])
async def test_an_older_claim_is_distinguished_from_a_newer_one_whichever_its_number(
    dsn: str, postgres_store: PostgresStore, epoch: int
) -> None:
    subscriptions = postgres_store.subscriptions
    await subscriptions.register([KEY])
    administrator = await asyncpg.connect(dsn)
    try:
        await administrator.execute("update chekov.subscriptions set epoch = $1", epoch)
        [claim] = await subscriptions.claim("one", [KEY], lease=LONG)
        assert claim.epoch == epoch + 1
        others: list[asyncpg.Connection[asyncpg.Record]] = []
        for number in (epoch, epoch + 1, epoch + 2):
            other = await asyncpg.connect(dsn)
            others.append(other)
            await other.execute("begin")
            await other.execute(lock_statement("chekov", replace(claim, epoch=number)))
        assert await subscriptions.end_stale([KEY]) == 1
        await until(others[0].is_closed)
        for other in others[1:]:
            assert await other.fetchval("select 1") == 1
            await other.close()
    finally:
        await administrator.close()


async def test_a_lock_that_an_application_holds_by_the_same_numbers_is_not_a_claim(
    dsn: str, postgres_store: PostgresStore
) -> None:
    subscriptions = postgres_store.subscriptions
    await subscriptions.register([KEY])
    [claim] = await subscriptions.claim("one", [KEY], lease=0)
    application = await asyncpg.connect(dsn)
    try:
        shared = lock_statement("chekov", claim)
        await application.execute(shared.replace("xact_lock_shared", "lock"))
        assert await subscriptions.end_stale([KEY]) == 0
        assert await application.fetchval("select 1") == 1
    finally:
        await application.close()


async def test_sessions_that_may_not_be_ended_are_left_alone(
    dsn: str, postgres_store: PostgresStore
) -> None:
    subscriptions, models = postgres_store.subscriptions, postgres_store.read_models
    await subscriptions.register([KEY])
    [old] = await subscriptions.claim("one", [KEY], lease=0)
    administrator = await asyncpg.connect(dsn)
    database = await administrator.fetchval("select current_database()")
    role = f"other_{database}"
    try:
        await administrator.execute(
            f"create role {role} login password 'x'; grant usage on schema chekov to {role};"
            f" grant select, update on all tables in schema chekov to {role}"
        )
        other = dsn.replace(dsn.split("//")[1].split("@", maxsplit=1)[0], f"{role}:x")
        async with (
            PostgresStore(other, migrate=False) as store,
            models.transaction(old, CheckpointMove(1)),
        ):
            assert await store.subscriptions.end_stale([KEY]) == 0
    finally:
        await administrator.execute(f"drop owned by {role}; drop role {role}")
        await administrator.close()
