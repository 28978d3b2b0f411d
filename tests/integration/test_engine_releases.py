"""Processes of two releases run beside each other: what the newer one stores waits for it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chekov import Runtime
from chekov.store.port import Node
from tests.integration.partition_process import end
from tests.integration.release_process import released
from tests.unit.engine.releases import (
    NewSeen,
    OldSeen,
    Pay,
    PayInCurrency,
    Rate,
    new_release,
    old_release,
)
from tests.unit.engine.subscriptions.test_succession import entering
from tests.waiting import until

PATIENCE = 60
SUBSCRIPTIONS = 6
"""Four partitions, a projection and a process manager."""


class Trade:
    """Sends commands as both releases do, and reads what their handlers did."""

    def __init__(self, old: Runtime, new: Runtime, connection: asyncpg.Connection) -> None:
        self.old = old
        self.new = new
        self.connection = connection
        self.paid = 0

    async def pay(self, *releases: str, times: int = 12) -> None:
        for _ in range(times):
            for release in releases:
                self.paid += 1
                shop = f"{release}{self.paid % 5}"
                if release == "old":
                    await self.old.dispatch(Pay(shop=shop, cents=self.paid))
                else:
                    await self.new.dispatch(PayInCurrency(shop=shop, cents=self.paid))

    async def owned_by(self, release: str) -> None:
        """Wait until all subscriptions are run by processes of a release."""

        async def are() -> bool:
            rows = await self.new.store.subscriptions.list("trade")
            owners = [row.owner or "" for row in rows]
            return len(rows) == SUBSCRIPTIONS and all(
                owner.startswith(f"{release}/") for owner in owners
            )

        await until(are, PATIENCE)

    async def handled(self, position: int) -> None:
        """Wait until every checkpoint has passed a position."""

        async def have() -> bool:
            rows = await self.new.store.subscriptions.list("trade")
            return all(row.position >= position for row in rows)

        await until(have, PATIENCE)

    async def stored(self, *types: str) -> Mapping[str, list[int]]:
        """The positions of events by stream."""
        found: dict[str, list[int]] = {}
        after = 0
        while page := await self.new.store.read_page(after=after):
            after = page[-1].position
            for event in page:
                if event.type in types:
                    found.setdefault(event.stream, []).append(event.position)
        return found

    async def calls(self) -> Mapping[str, list[int]]:
        """The positions that the event handler was given by stream, without repetitions."""
        found: dict[str, list[int]] = {}
        for stream, at in await self.connection.fetch(
            "select stream, position from calls order by id"
        ):
            positions = found.setdefault(stream, [])
            if at not in positions:
                positions.append(at)
        return found

    async def money(self) -> list[int]:
        """The positions that the projection was given, in the order of its rows."""
        schema = await self.connection.fetchval(
            "select table_schema from information_schema.tables where table_name = 'money'"
        )
        rows = await self.connection.fetch(f'select position from "{schema}".money order by ctid')
        return [row[0] for row in rows]

    async def thanks(self) -> int:
        return sum(map(len, (await self.stored("thanked")).values()))


@asynccontextmanager
async def trading(dsn: str) -> AsyncGenerator[Trade]:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "create table calls (id bigint generated always as identity, stream text, position bigint)"
    )
    try:
        async with (
            Runtime(old_release(), store=dsn, subscriptions=False) as old,
            Runtime(new_release(), store=dsn, subscriptions=False) as new,
        ):
            yield Trade(old, new, connection)
    finally:
        await connection.close()


async def test_nothing_of_a_newer_release_is_parked_lost_or_disordered(dsn: str) -> None:
    async with trading(dsn) as trade, released(dsn, "old") as old:
        await trade.owned_by("old")
        await trade.pay("old")
        await trade.handled(await trade.new.store.head())
        before = await trade.new.store.head()
        await trade.pay("new", "old")  # no process of the newer release handles events yet
        async with released(dsn, "new") as first:
            await trade.owned_by("new")
            await trade.handled(before + 1)  # which the older release could not
            await trade.pay("old", "new")
            await first.kill()
            await trade.owned_by("old")
            await trade.pay("old", "new")
            await trade.pay("new")
        rows = await trade.new.store.subscriptions.list("trade")
        assert all(row.state == "running" for row in rows)
        async with released(dsn, "new"):
            await trade.owned_by("new")
            await trade.new.dispatch(Rate(shop="new1", stars=5))
            await end(old)
            await trade.pay("new")

            async def answered() -> bool:
                return await trade.thanks() == trade.paid

            await until(answered, PATIENCE)
            await trade.handled(await trade.new.store.head())
        paid = await trade.stored("paid", "paid@2")
        assert await trade.calls() == await trade.stored("paid", "paid@2", "rated")
        assert await trade.money() == sorted(at for found in paid.values() for at in found)
        rows = await trade.new.store.subscriptions.list("trade")
        assert [(row.parked, row.state) for row in rows] == [(0, "running")] * SUBSCRIPTIONS


async def test_an_event_of_an_unknown_type_is_not_passed_over_by_who_has_not_heard_of_it(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, gate = list[int](), asyncio.Event()
    async with Runtime(old_release(OldSeen(seen)), store=dsn, node="old", lease=3600) as old:
        await old.dispatch(Pay(shop="a", cents=1), consistency=["seen"])
        list_now = old.store.nodes.list

        async def list_late(domain: str, *, lease: float) -> Sequence[Node]:
            await gate.wait()
            return await list_now(domain, lease=lease)

        monkeypatch.setattr(old.store.nodes, "list", list_late)
        async with entering(
            Runtime(new_release(NewSeen(seen)), store=dsn, node="new", lease=3600)
        ) as coming:

            async def listed() -> bool:
                return len(await list_now("trade", lease=3600)) == 2

            await until(listed, PATIENCE)
            await old.dispatch(Pay(shop="a", cents=2), consistency=["seen"])
            assert not coming.done()
            gate.set()
            new = await coming
            await new.dispatch(Rate(shop="a", stars=5), consistency=["seen"])
    assert seen == [1, 2, -5]
