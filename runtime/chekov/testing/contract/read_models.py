"""Contract of the role `read_models`, for stores that have a database."""

# ruff: noqa: S101 these are tests, for others to run

from dataclasses import replace

import pytest

from chekov.errors import DefinitionError, Fenced, StoreUnavailable, WrongExpectedVersion
from chekov.store.port import CheckpointMove, Claim, ReadModels, Store, SubscriptionKey
from chekov.testing.contract.event_store import event, positions
from chekov.testing.contract.parking import blocked, failed, parked, stored
from chekov.testing.contract.subscriptions import KEY, LONG, claimed, position

TABLES_WITH_RULES = """
create table owners (name text primary key);
create table things (
    name text not null, amount bigint, small varchar(3), owner text references owners,
    constraint positive check (amount > 0)
);
"""

STATEMENTS = (
    ("insert into things values ('a', $1)", (2**63,), True),
    ("insert into things values ('a', $1::text::bigint)", ("many",), True),
    ("insert into things values ($1)", ("a\0b",), True),
    ("insert into things values ('a', 1, 'four')", (), True),
    ("insert into things values ('a', 1 / 0)", (), True),
    ("insert into things values ('a', 0)", (), True),
    ("insert into things values (null)", (), False),
    ("insert into things values ('a', 1, 'b', 'nobody')", (), False),
    ("insert into owners values ('a'), ('a')", (), False),
    ("insert into nowhere values (1)", (), False),
)
"""Statement, parameters, and whether trying again is hopeless."""


def _read_models(store: Store) -> ReadModels:
    assert store.read_models is not None
    return store.read_models


class ReadModelsContract:
    """Tests of `store.read_models`."""

    async def test_tables_are_created_once(self, store: Store) -> None:
        """The same SQL again changes nothing; other SQL is refused."""
        models = _read_models(store)
        schema = models.schema_for(KEY)
        await models.create_tables(schema, "create table names (name text)")
        await models.create_tables(schema, "create table names (name text)")
        with pytest.raises(DefinitionError):
            await models.create_tables(schema, "create table names (name text, age int)")
        async with models.read_connection(search_path=schema) as connection:
            assert await connection.fetchval("select count(*) from names") == 0

    async def test_a_transaction_commits_with_its_checkpoint(self, store: Store) -> None:
        """Once: the same position again is refused, with all that was written."""
        models, claim = _read_models(store), await claimed(store)
        schema = models.schema_for(KEY)
        await models.create_tables(schema, "create table names (name text)")
        async with models.transaction(claim, CheckpointMove(3), search_path=schema) as connection:
            await connection.execute("insert into names values ($1)", "Ada")
        assert await position(store) == 3
        with pytest.raises(Fenced):
            async with models.transaction(
                claim, CheckpointMove(3), search_path=schema
            ) as connection:
                await connection.execute("insert into names values ($1)", "Bob")
        async with models.read_connection(search_path=schema) as connection:
            assert await connection.fetchval("select string_agg(name, ' ') from names") == "Ada"

    async def test_events_are_parked_and_unparked_with_a_transaction(self, store: Store) -> None:
        """Or not at all, when it rolls back."""
        models, claim = _read_models(store), await claimed(store)
        one, two = await stored(store, "a-1", "a-1")

        async def fail() -> None:
            async with models.transaction(
                claim, CheckpointMove(2, parked=[failed(one), blocked(two)])
            ):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await parked(store) == []
        async with models.transaction(claim, CheckpointMove(2, parked=[failed(one), blocked(two)])):
            pass
        assert await position(store) == 2
        async with models.transaction(claim, CheckpointMove(1, unpark=True)):
            pass
        assert (await position(store), await parked(store)) == (2, [(2, "a-1", "blocked")])
        with pytest.raises(Fenced):
            async with models.transaction(claim, CheckpointMove(1, unpark=True)):
                pass

    async def test_a_transaction_of_a_former_owner_is_ended(self, store: Store) -> None:
        """So that its locks keep nobody waiting."""
        models, old = _read_models(store), await claimed(store, lease=0)
        [new] = await store.subscriptions.claim("two", [KEY], lease=LONG)
        with pytest.raises(StoreUnavailable):
            async with models.transaction(old, CheckpointMove(1)):
                assert await store.subscriptions.end_stale([KEY]) == 1
        async with models.transaction(new, CheckpointMove(1)):
            pass
        assert await position(store) == 1

    async def test_a_transaction_of_the_owner_is_not_ended(self, store: Store) -> None:
        """Nor one of another partition, unless its owner has vanished."""
        models, claim = _read_models(store), await claimed(store)
        other = replace(KEY, partition=1)
        await store.subscriptions.register([other])
        [second] = await store.subscriptions.claim("two", [other], lease=0)
        async with (
            models.transaction(claim, CheckpointMove(1)),
            models.transaction(second, CheckpointMove(1)),
        ):
            assert await store.subscriptions.end_stale([KEY], vanished=["two"]) == 0
        assert [row.position for row in await store.subscriptions.list("bank")] == [1, 1]
        with pytest.raises(StoreUnavailable):
            async with models.transaction(claim, CheckpointMove(2)):
                assert await store.subscriptions.end_stale([KEY], vanished=["one"]) == 1

    async def test_a_value_that_no_column_holds_is_recognized(self, store: Store) -> None:
        """What another subscription may yet write is not: a foreign key, for example."""
        models = _read_models(store)
        schema = models.schema_for(KEY)
        await models.create_tables(schema, TABLES_WITH_RULES)
        for statement, values, hopeless in STATEMENTS:
            claim = Claim(KEY, "nobody", 1, 0)
            with pytest.raises(Exception) as caught:  # noqa: PT011 of the driver
                async with models.transaction(
                    claim, CheckpointMove(1), search_path=schema
                ) as connection:
                    await connection.execute(statement, *values)
            assert models.rejects_value(caught.value) == hopeless, (statement, caught.value)

    async def test_an_append_commits_with_its_transaction(self, store: Store) -> None:
        """It is nowhere when that rolls back, and a refusal leaves the transaction usable."""
        models, claim = _read_models(store), await claimed(store)

        async def append_and_fail() -> None:
            async with models.transaction(claim, CheckpointMove(1)) as connection:
                await models.append_in_transaction(connection, "a", [event()])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await append_and_fail()
        assert await store.head() == 0
        async with models.transaction(claim, CheckpointMove(1)) as connection:
            appended = await models.append_in_transaction(connection, "a", [event(), event()])
            with pytest.raises(WrongExpectedVersion):
                await models.append_in_transaction(connection, "a", [event()], expected=1)
            await models.append_in_transaction(connection, "a", [event()], expected=2)
        assert (appended.version, appended.position) == (2, 2)
        assert positions(await store.read_stream("a")) == [1, 2, 3]
        assert list(appended.recorded) == list(await store.read_stream("a", limit=2))

    async def test_names_of_table_schemas_fit_postgres(self, store: Store) -> None:
        """Lower case, 63 bytes, and different for different versions."""
        keys = [
            SubscriptionKey("bank", "Balances", 1),
            SubscriptionKey("bank", "Balances", 2),
            SubscriptionKey("b" * 40, "n" * 40, 1),
            SubscriptionKey("b" * 40, "n" * 40, 2),
            SubscriptionKey("b" * 40, "n" * 39 + "m", 1),
        ]
        names = [_read_models(store).schema_for(key) for key in keys]
        assert names[0] == "chekov_bank_balances_v1"
        assert len(set(names)) == len(keys)
        assert all(name == name.lower() and len(name) <= 63 for name in names)
