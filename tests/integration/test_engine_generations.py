"""A new version of a projection, and a rebuild, are built beside the generation that serves."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from chekov import EventHandler, Runtime, SubscriptionInUse, Transaction
from chekov.domain.failure import Retry
from chekov.errors import ConsistencyTimeout, UnknownSubscription
from chekov.store.port import Generation, GenerationRefused, ProjectionBuilding, SubscriptionKey
from tests.integration.engine_domain import NewTotals, StoppingTotals, Totals, counting
from tests.unit.engine.counter_domain import Add, Added
from tests.waiting import until

KEY = SubscriptionKey("counting", "totals")
REBUILT = replace(KEY, generation=2)
NEWER = replace(KEY, version=2)


class Gate:
    """Lets a handler through from an amount on only once it is opened.

    Attributes:
        replayed: whether each event was told to be a replay, by position.
    """

    def __init__(self, *, closed_from: int = 1) -> None:
        self.open = asyncio.Event()
        self.replayed: dict[int, bool] = {}
        self.closed_from = closed_from

    async def __call__(self, event: Added, transaction: Transaction) -> None:
        self.replayed[transaction.position] = transaction.replaying
        if event.amount >= self.closed_from:
            await self.open.wait()


def running(dsn: str, *handlers: EventHandler, node: str = "one") -> Runtime:
    return Runtime(counting(*handlers), store=dsn, node=node, lease=0.6)


async def add(runtime: Runtime, *amounts: int) -> int:
    position = 0
    for amount in amounts:
        position = (await runtime.dispatch(Add(counter="a", amount=amount))).position
    return position


async def total(runtime: Runtime, min_position: int = 0) -> object:
    return await runtime.query(
        "totals", "total", {"counter": "counter-a"}, min_position=min_position, timeout=240
    )


async def states(runtime: Runtime) -> dict[tuple[int, int], str]:
    found: list[Generation] = list(await runtime.projections.list())
    return {(item.key.version, item.key.generation): item.state for item in found}


@asynccontextmanager
async def with_history(dsn: str) -> AsyncGenerator[None]:
    async with running(dsn) as runtime:
        await add(runtime, 1, 2, 3)
    yield


async def test_until_it_is_built_commands_run_and_its_queries_say_how_far_it_is(dsn: str) -> None:
    gate = Gate()
    async with with_history(dsn), running(dsn, Totals(gate)) as runtime:
        assert runtime.projections.held == ""
        with pytest.raises(ProjectionBuilding, match="building totals 1: 0 %") as caught:
            await total(runtime)
        assert caught.value.generation is not None
        assert caught.value.generation.target == 3
        assert await add(runtime, 4) == 4
        gate.open.set()
        assert await total(runtime, min_position=4) == 10
        assert gate.replayed == {1: True, 2: True, 3: True, 4: False}


async def test_over_an_empty_log_it_serves_at_once(dsn: str) -> None:
    async with running(dsn, Totals()) as runtime:
        assert await total(runtime) is None


async def test_who_waited_for_consistency_is_never_told_that_it_is_being_built(dsn: str) -> None:
    async with with_history(dsn), running(dsn, Totals()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=4), consistency="strong")
        assert await total(runtime) == 10


async def test_a_pod_with_a_new_version_is_held_while_others_serve_the_old_one(dsn: str) -> None:
    gate = Gate()
    async with with_history(dsn), running(dsn, Totals(), node="old") as old:
        assert await total(old, min_position=3) == 6
        async with running(dsn, NewTotals(gate), node="new") as new:
            assert new.projections.held.startswith("building totals 2: 0 %")
            with pytest.raises(ProjectionBuilding):
                await total(new)
            assert await total(old) == 6
            gate.open.set()
            assert await total(new, min_position=3) == 6
            await until(lambda: new.projections.held == "")
            assert await total(old) == 6


async def test_a_pod_is_held_no_longer_than_others_live_and_never_again(dsn: str) -> None:
    gate = Gate()
    async with with_history(dsn), running(dsn, Totals(), node="old") as old:
        await old.wait(3)
        async with running(dsn, NewTotals(gate), node="new") as new:
            assert new.projections.held
            await old.drain()
            await until(lambda: new.projections.held == "")
            async with running(dsn, Totals(), node="another old") as another:
                await until(lambda: another.subscriptions[KEY].owned)
                await until(lambda: any(item.in_use for item in new.projections.generations))
                assert new.projections.held == ""
            gate.open.set()
            await new.wait(3, timeout=240)


async def test_a_rebuild_takes_over_when_it_is_built(dsn: str) -> None:
    gate = Gate(closed_from=100)
    async with with_history(dsn), running(dsn, Totals(gate)) as runtime:
        assert await total(runtime, min_position=3) == 6
        async with asyncpg_connection(dsn) as connection:
            await connection.execute("update chekov_counting_totals_v1.sums set total = 77")
        assert await total(runtime) == 77
        assert await runtime.rebuild("totals") == REBUILT
        await until(lambda: REBUILT in runtime.subscriptions and KEY not in runtime.subscriptions)
        assert await total(runtime) == 6
        assert await states(runtime) == {(1, 1): "retired", (1, 2): "serving"}
        await runtime.dispatch(Add(counter="a", amount=4), consistency="strong")
        assert await total(runtime) == 10
        assert not gate.replayed[4]


async def test_what_is_stored_after_the_switch_is_no_replay_even_before_the_claim_is_renewed(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(closed_from=100)
    runtime = Runtime(counting(Totals(gate)), store=dsn, node="one", lease=60)
    async with with_history(dsn), runtime:
        await runtime.wait(3)
        gate.replayed.clear()
        gate.closed_from = 1
        await runtime.rebuild("totals")
        await until(lambda: gate.replayed == {1: True})
        subscriptions, renewing = runtime.store.subscriptions, asyncio.Event()
        renew = subscriptions.claim

        async def renewed_late(*args: Any, **options: Any) -> Any:
            await renewing.wait()
            return await renew(*args, **options)

        monkeypatch.setattr(subscriptions, "claim", renewed_late)
        gate.open.set()

        async def serves() -> bool:
            return await states(runtime) == {(1, 1): "retired", (1, 2): "serving"}

        await until(serves)
        assert gate.replayed == {1: True, 2: True, 3: True}
        await add(runtime, 4)
        await until(lambda: 4 in gate.replayed)
        assert not gate.replayed[4]
        assert await total(runtime) in {6, 10}
        renewing.set()
        assert await total(runtime, min_position=4) == 10
        assert not gate.replayed[4]


async def test_what_a_rebuild_parked_is_a_replay_for_whoever_handles_it_later(dsn: str) -> None:
    gate, broken, retried = Gate(), True, dict[int, bool]()

    async def fail_in_replays(event: Added, transaction: Transaction) -> None:
        if transaction.replaying and event.amount == 4 and broken:
            raise RuntimeError("not again")
        if not broken:
            retried[transaction.position] = transaction.replaying
        if transaction.replaying:
            await gate(event, transaction)

    def process(node: str) -> Runtime:
        totals = Totals(fail_in_replays)
        return Runtime(counting(totals), store=dsn, node=node, lease=60, retry=Retry(attempts=1))

    async with with_history(dsn):
        pass
    gate.closed_from = 100
    async with process("one") as runtime:
        await runtime.wait(3)
        gate.closed_from = 1
        gate.replayed.clear()
        await runtime.rebuild("totals")
        await until(lambda: gate.replayed == {1: True})
        await runtime.wait(await add(runtime, 4))  # before it takes over
        gate.open.set()

        async def serves() -> bool:
            return await states(runtime) == {(1, 1): "retired", (1, 2): "serving"}

        await until(serves)
        [parked] = await runtime.parked("totals")
        assert (parked.position, parked.subscription) == (4, REBUILT)
    broken = False
    async with process("two") as runtime:
        await runtime.retry("totals")
        position = await add(runtime, 5)
        await until(lambda: position in retried)
    assert retried == {4: True, 5: False}


async def test_while_it_is_rebuilt_the_former_one_answers_and_follows(dsn: str) -> None:
    gate = Gate(closed_from=100)
    async with with_history(dsn), running(dsn, Totals(gate)) as runtime:
        await total(runtime, min_position=3)
        gate.closed_from = 1
        await runtime.rebuild("totals")
        await until(lambda: REBUILT in runtime.subscriptions)
        with pytest.raises(GenerationRefused):
            await runtime.rebuild("totals")
        assert await total(runtime) == 6
        assert await runtime.projections.cancel("totals") == REBUILT
        await until(lambda: REBUILT not in runtime.subscriptions)
        gate.open.set()
        await add(runtime, 4)
        assert await total(runtime, min_position=4) == 10
        assert await states(runtime) == {(1, 1): "serving"}
        assert runtime.healthy


async def test_another_process_continues_a_rebuild_and_a_third_follows_the_switch(
    dsn: str,
) -> None:
    async with (
        with_history(dsn),
        Runtime(counting(Totals()), store=dsn, subscriptions=False) as web,
    ):
        gate = Gate(closed_from=100)
        async with running(dsn, Totals(gate), node="one") as one:
            await one.wait(3)
            gate.closed_from = 1
            await web.rebuild("totals")
            await until(lambda: REBUILT in one.subscriptions and one.subscriptions[REBUILT].owned)
            gate.open.set()
        async with running(dsn, Totals(), node="two") as two:
            await until(lambda: KEY not in two.subscriptions)
            await web.dispatch(Add(counter="a", amount=4), consistency="strong")
            assert await total(web) == 10


async def test_a_stopped_projection_is_healed_by_a_rebuild(dsn: str) -> None:
    healed = False

    async def refuse_two(event: Added, _: Transaction) -> None:
        if event.amount == 2 and not healed:
            raise ValueError("no twos")

    handler = StoppingTotals(refuse_two)
    retry = Retry(attempts=1)
    async with Runtime(counting(handler), store=dsn, retry=retry, lease=0.6) as runtime:
        await add(runtime, 1, 2, 3)
        await until(lambda: runtime.subscriptions[KEY].state == "stopped")
        assert await total(runtime) == 1
        healed = True
        await runtime.rebuild("totals")
        await until(lambda: KEY not in runtime.subscriptions)
        assert await total(runtime, min_position=3) == 6


async def test_a_position_that_is_not_reached_in_time_is_an_error(dsn: str) -> None:
    async with running(dsn, Totals()) as runtime:
        with pytest.raises(ConsistencyTimeout):
            await runtime.query("totals", "total", {"counter": "a"}, min_position=99, timeout=0.05)


async def test_only_projections_of_the_domain_are_rebuilt(dsn: str) -> None:
    async with running(dsn, Totals()) as runtime:
        with pytest.raises(UnknownSubscription, match="it has totals"):
            await runtime.rebuild("sums")


async def test_an_old_version_is_dropped_once_no_process_uses_it(dsn: str) -> None:
    async with with_history(dsn), running(dsn, Totals(), node="old") as old:
        await old.wait(3)
        async with running(dsn, NewTotals(), node="new") as new:
            with pytest.raises(GenerationRefused, match="a process uses"):
                await new.projections.drop("totals", 1)
            await old.drain()
            await new.projections.drop("totals", 1)
            await new.wait(3)
            assert await states(new) == {(2, 1): "serving"}


async def test_the_read_models_of_a_version_that_nobody_has_are_removed_with_it(dsn: str) -> None:
    async with with_history(dsn), running(dsn, Totals(), node="old") as old:
        await old.wait(3)
        async with running(dsn, NewTotals(), node="new") as new:
            assert not await new.abandoned.list()
            with pytest.raises(SubscriptionInUse, match="old/"):
                await new.abandoned.remove("totals", 1)
            await old.drain()
            [found] = await new.abandoned.list()
            assert (found.name, found.version, len(found.schemas)) == ("totals", 1, 1)
            await new.abandoned.remove("totals", 1)
            assert not await new.abandoned.list()
            await new.wait(3)
            assert await states(new) == {(2, 1): "serving"}
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        left = await pool.fetchval(
            "select count(*) from pg_namespace where nspname = $1", found.schemas[0]
        )
    assert left == 0


async def test_a_generation_that_found_the_former_one_locked_serves_after_a_renewal(
    dsn: str,
) -> None:
    async with with_history(dsn), running(dsn, Totals()) as runtime:
        await runtime.wait(3)
        async with asyncpg_connection(dsn) as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("select from chekov.subscriptions for update")
            await runtime.rebuild("totals")
            await until(
                lambda: (status := runtime.subscriptions.get(REBUILT)) and status.position == 3
            )
            assert await states(runtime) == {(1, 1): "serving", (1, 2): "building"}
            await transaction.rollback()
        await until(lambda: KEY not in runtime.subscriptions)
        assert await total(runtime) == 6


@asynccontextmanager
async def asyncpg_connection(dsn: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


class LateTotals(Totals, name="totals", start_from=3):
    pass


async def test_each_generation_of_a_projection_starts_where_its_first_did(dsn: str) -> None:
    async with with_history(dsn), running(dsn, LateTotals()) as runtime:
        assert await total(runtime, min_position=await add(runtime, 4)) == 7
        await runtime.rebuild("totals")
        await until(lambda: REBUILT in runtime.subscriptions and KEY not in runtime.subscriptions)
        assert await total(runtime, min_position=4) == 7
        assert await runtime.query("totals", "seen", {}) == [3, 4]
