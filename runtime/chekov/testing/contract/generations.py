"""Contract of generations of read models, for stores that have a database."""

# ruff: noqa: S101 these are tests, for others to run

from collections.abc import Mapping

import pytest

from chekov.domain.connection import Connection
from chekov.errors import DefinitionError, Fenced
from chekov.store.port import (
    CheckpointMove,
    Claim,
    GenerationRefused,
    Generations,
    ProjectionBuilding,
    ReadModels,
    Store,
    SubscriptionKey,
)
from chekov.testing.contract.event_store import event

KEY = SubscriptionKey("bank", "names")
SECOND = SubscriptionKey("bank", "names", generation=2)
LONG = 3600.0
TABLES = "create table names (name text)"


def _models(store: Store) -> ReadModels:
    assert store.read_models is not None
    return store.read_models


def _generations(store: Store) -> Generations:
    return _models(store).generations


async def _states(store: Store) -> Mapping[int, str]:
    found = await _generations(store).list("bank")
    return {item.key.generation: item.state for item in found}


async def _claim(store: Store, key: SubscriptionKey) -> Claim:
    [claim] = await store.subscriptions.claim("one", [key], lease=LONG)
    return claim


async def _write(store: Store, claim: Claim, position: int, name: str) -> None:
    models = _models(store)
    schema = models.schema_for(claim.key)
    async with models.transaction(
        claim, CheckpointMove(position), search_path=schema
    ) as connection:
        await connection.execute("insert into names values ($1)", name)


async def _names(connection: Connection) -> str:
    found: str = await connection.fetchval("select string_agg(name, ' ' order by name) from names")
    return found


async def _served(store: Store) -> str:
    async with _models(store).serving(KEY) as connection:
        return await _names(connection)


async def _rebuilding(store: Store) -> tuple[Claim, Claim]:
    """Three events, a first generation that serves all of them, and a second one begun."""
    await store.append("a", [event(), event(), event()])
    await _generations(store).begin(KEY, TABLES)
    first = await _claim(store, KEY)
    await _write(store, first, 3, "first")
    assert await _generations(store).rebuild("bank", "names") == SECOND
    return first, await _claim(store, SECOND)


class GenerationsContract:
    """Tests of `store.read_models.generations`."""

    async def test_the_first_generation_of_an_empty_log_serves_at_once(self, store: Store) -> None:
        """Its tables are all that they should be."""
        await _generations(store).begin(KEY, TABLES)
        assert await _states(store) == {1: "serving"}
        assert await _served(store) is None

    async def test_none_serves_before_it_reaches_where_the_log_ended(self, store: Store) -> None:
        """It serves with the checkpoint that arrives there, however that is moved."""
        await store.append("a", [event(), event(), event()])
        await _generations(store).begin(KEY, TABLES)
        await store.append("b", [event()])
        claim = await _claim(store, KEY)
        assert claim.building
        await _write(store, claim, 2, "Ada")
        with pytest.raises(ProjectionBuilding, match="building names 1: 66 %") as caught:
            await _served(store)
        generation = caught.value.generation
        assert generation is not None
        assert (generation.position, generation.target, generation.in_use) == (2, 3, True)
        await store.subscriptions.save(claim, 3)
        assert await _served(store) == "Ada"
        assert not (await _claim(store, KEY)).building

    async def test_beginning_again_changes_nothing(self, store: Store) -> None:
        """Every process begins them when it starts; other SQL is refused."""
        await store.append("a", [event()])
        for _ in range(2):
            await _generations(store).begin(KEY, TABLES)
            assert await _states(store) == {1: "building"}
        with pytest.raises(DefinitionError, match="raise the projection's version"):
            await _generations(store).begin(KEY, TABLES + ";")

    async def test_a_rebuild_serves_once_it_is_not_behind_and_the_former_ends(
        self, store: Store
    ) -> None:
        """So an answer is never older than one before, and never half of the new one."""
        first, second = await _rebuilding(store)
        await store.append("b", [event()])
        await _write(store, first, 4, "later")
        await _write(store, second, 3, "second")
        assert await _served(store) == "first later"
        assert await _states(store) == {1: "serving", 2: "building"}
        await store.subscriptions.save(second, 4)
        assert await _served(store) == "second"
        assert await _states(store) == {1: "retired", 2: "serving"}
        with pytest.raises(Fenced):
            await _write(store, first, 5, "too late")
        assert [row.key for row in await store.subscriptions.list("bank")] == [SECOND]

    async def test_a_rebuild_of_an_empty_log_serves_at_once(self, store: Store) -> None:
        """There is nothing to wait for."""
        await _generations(store).begin(KEY, TABLES)
        await _generations(store).rebuild("bank", "names")
        assert await _states(store) == {1: "retired", 2: "serving"}

    async def test_one_rebuild_at_a_time(self, store: Store) -> None:
        """The second is refused, and so is that of a projection which never served."""
        with pytest.raises(GenerationRefused, match="no projections"):
            await _generations(store).rebuild("bank", "names")
        await _rebuilding(store)
        with pytest.raises(GenerationRefused, match="generation 2 of names 1 is being built"):
            await _generations(store).rebuild("bank", "names")

    async def test_a_cancelled_rebuild_leaves_nothing(self, store: Store) -> None:
        """Its owner is fenced, its number is free again, and the first generation goes on."""
        first, second = await _rebuilding(store)
        assert await _generations(store).cancel("bank", "names") == SECOND
        with pytest.raises(Fenced):
            await store.subscriptions.save(second, 3)
        assert await _states(store) == {1: "serving"}
        await _write(store, first, 4, "more")
        assert await _served(store) == "first more"
        assert await _generations(store).rebuild("bank", "names") == SECOND

    async def test_the_first_generation_cannot_be_cancelled(self, store: Store) -> None:
        """Nothing would be left that could serve."""
        await store.append("a", [event()])
        await _generations(store).begin(KEY, TABLES)
        with pytest.raises(GenerationRefused, match="its first"):
            await _generations(store).cancel("bank", "names")

    async def test_what_a_process_uses_is_not_dropped(self, store: Store) -> None:
        """What none uses is, with its tables, its checkpoint and its number."""
        await _generations(store).begin(KEY, TABLES)
        await _claim(store, KEY)
        with pytest.raises(GenerationRefused, match="a process uses"):
            await _generations(store).drop(KEY)
        await store.subscriptions.release("one", [KEY])
        await _generations(store).drop(KEY)
        assert await _states(store) == {}
        assert await store.subscriptions.list("bank") == []
        with pytest.raises(GenerationRefused, match="there is no generation 1"):
            await _generations(store).drop(KEY)
        await _generations(store).begin(KEY, "create table names (name text, age int)")

    async def test_retired_generations_are_dropped_after_a_while(self, store: Store) -> None:
        """Not at once: a query may have begun before the other took over."""
        await _generations(store).begin(KEY, TABLES)
        await _generations(store).rebuild("bank", "names")
        await _generations(store).drop_retired("bank", after=LONG)
        assert await _states(store) == {1: "retired", 2: "serving"}
        await _generations(store).drop_retired("bank", after=0)
        assert await _states(store) == {2: "serving"}

    async def test_versions_have_generations_of_their_own(self, store: Store) -> None:
        """The old version goes on serving while the new one is built, and after that."""
        first, _ = await _rebuilding(store)
        newer = SubscriptionKey("bank", "names", 2)
        await _generations(store).begin(newer, TABLES)
        with pytest.raises(ProjectionBuilding):
            async with _models(store).serving(newer):
                pass
        await _write(store, await _claim(store, newer), 3, "newer")
        async with _models(store).serving(newer) as connection:
            assert await _names(connection) == "newer"
        await _write(store, first, 4, "older")
        assert await _served(store) == "first older"

    async def test_a_rebuild_in_place_takes_away_what_serves(self, store: Store) -> None:
        """Queries are refused until the other one is built."""
        await store.append("a", [event(), event(), event()])
        await _generations(store).begin(KEY, TABLES)
        first = await _claim(store, KEY)
        await _write(store, first, 3, "first")
        assert await _generations(store).rebuild("bank", "names", beside=False) == SECOND
        assert await _states(store) == {1: "retired", 2: "building"}
        with pytest.raises(Fenced):
            await _write(store, first, 4, "too late")
        with pytest.raises(ProjectionBuilding, match="building names 1: 0 %"):
            await _served(store)
        await _write(store, await _claim(store, SECOND), 3, "second")
        assert await _served(store) == "second"
        assert await _states(store) == {1: "retired", 2: "serving"}

    async def test_a_rebuild_may_begin_elsewhere(self, store: Store) -> None:
        """And so does the next one, unless that says otherwise."""
        await store.append("a", [event(), event(), event()])
        await _generations(store).begin(KEY, TABLES)
        await store.subscriptions.save(await _claim(store, KEY), 3)
        await _generations(store).rebuild("bank", "names", start=2)
        _, made = await _generations(store).list("bank")
        assert (made.start, made.position, made.target) == (2, 2, 3)

    async def test_a_replay_begins_one_rebuild(self, store: Store) -> None:
        """Whoever asked and did not hear the answer may ask again, also once that is built."""
        await store.append("a", [event()])
        await _generations(store).begin(KEY, TABLES)
        await store.subscriptions.save(await _claim(store, KEY), 1)
        for _ in range(2):
            assert await _generations(store).rebuild("bank", "names", replay="one") == SECOND
        await store.subscriptions.save(await _claim(store, SECOND), 1)
        assert await _generations(store).rebuild("bank", "names", replay="one") == SECOND
        assert [item.replay for item in await _generations(store).list("bank")] == ["", "one"]
        third = await _generations(store).rebuild("bank", "names", replay="two")
        assert third.generation == 3
