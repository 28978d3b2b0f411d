"""Every page is read from one index, whatever statistics Postgres had when it made the plan."""

import re
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chekov.store.postgres.connection_options import ConnectionOptions, connect
from chekov.store.postgres.statements import statements

EVENTS = 30_000
MOST_PAGES = 600
"""Of 8 kB, for a page of a hundred rows; the tables have ten times as many."""
END = 2**63 - 1
FILL = f"""
insert into chekov.events (
    position, stream, version, id, type, data, correlation_id, causation_id, time, metadata
)
select n, case when n % 1000 = 0 then 'rare' || n || '-1' else 'account-' || n % 1500 end,
    1 + n / 1500, gen_random_uuid(), case when n % 1000 = 0 then 'Rare' else 'Often' end,
    json_build_object('filling', repeat('x', 300)),
    case when n % 1000 = 0 then '{UUID(int=1)}'::uuid else '{UUID(int=2)}' end,
    case when n % 1000 = 0 then '{UUID(int=3)}'::uuid end, now(),
    ('{{"$caused_by":"' || case when n % 1000 = 0 then '{UUID(int=3)}' else '{UUID(int=4)}' end
        || '"}}')::json
from generate_series(1, {EVENTS}) as n;
insert into chekov.streams (name, created) select distinct stream, now() from chekov.events
on conflict do nothing
"""
VALUES: dict[str, tuple[Any, ...]] = {
    "stored": (UUID(int=9),),
    "stream_forward": ("account-7", 0, 100),
    "streams_forward": (["account-7", "account-8", "rare9000-1"], [0, 5, 0], 30),
    "stream_backward": ("account-7", END, 100),
    "stream_until_forward": ("account-7", 0, 100, None, None),
    "stream_until_backward": ("account-7", END, 100, 5, None),
    "at_positions": ([5, 100, 9],),
    "all_forward": (EVENTS - 1000, 100),
    "all_backward": (END, 100),
    "types_forward": (0, 100, ["Rare"], None, None, None, None),
    "types_backward": (END, 100, ["Rare", "Never"], None, None, None, None),
    "category_forward": (0, 100, None, "rare9000-", None, None, None),
    "category_backward": (END, 100, None, "rare9000-", None, None, None),
    "prefix_forward": (0, 100, None, "rare", None, None, None, "rarf"),
    "prefix_backward": (END, 100, None, "account", None, None, None, "accounu"),
    "correlation_forward": (0, 100, None, None, UUID(int=1), None, None),
    "correlation_backward": (END, 100, None, None, UUID(int=1), None, None),
    "causation_forward": (0, 100, None, None, None, UUID(int=3), None),
    "causation_backward": (END, 100, None, None, None, UUID(int=3), None),
    "caused_by_forward": (0, 100, None, None, None, None, None, str(UUID(int=3))),
    "caused_by_backward": (END, 100, None, None, None, None, None, str(UUID(int=3))),
    "in_stream_forward": (EVENTS // 2, 100, None, None, None, None, "account-7"),
    "in_stream_backward": (END, 100, ["Often"], None, None, None, "account-7"),
    "head": (),
    "stream_info": ("account-7",),
    "streams": ("", "account-1", "account-2", None, 100),
}


def literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"array[{', '.join(map(literal, value))}]"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(value) if isinstance(value, int) else f"'{value}'"


def call(name: str) -> str:
    given = ", ".join(map(literal, VALUES[name]))
    return f"execute {name}({given})" if given else f"execute {name}"


async def pages_read(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> int:
    plan = await connection.fetch(f"explain (analyze, buffers) {call(name)}")
    text = "\n".join(row[0] for row in plan)
    assert "Seq Scan" not in text
    assert "Parallel" not in text
    return pages_of(text)


def pages_of(plan: str) -> int:
    buffers = re.search(r"Buffers: (.*)", plan)
    return sum(map(int, re.findall(r"(?:hit|read)=(\d+)", buffers[1]))) if buffers else 0


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_page_costs_a_page_however_much_there_is(dsn: str, *, analyzed: bool) -> None:
    sql = statements("events", "chekov")
    connection = await connect(ConnectionOptions(dsn, seconds=100), application="plans")
    for name in VALUES:
        await connection.execute(f"prepare {name} as {sql[name]}")
        await connection.execute(call(name))
    await connection.execute(FILL)
    if analyzed:
        await connection.execute("analyze")
    costs = {name: await pages_read(connection, name) for name in VALUES}
    await connection.close()
    assert {name: cost for name, cost in costs.items() if cost > MOST_PAGES} == {}


MANY = """chekov.append_many_v1(
    false, array['new-{0}', 'account-1', 'new-{0}b'], array[0, -1, 0], null, {1},
    array[gen_random_uuid(), gen_random_uuid(), gen_random_uuid()],
    array['Often', 'Often', 'Often'], array['{{}}', '{{}}', '{{}}']::json[],
    null, null, null, null, null
)"""
APPENDS = {
    "one": "chekov.append_one_v1('account-2', -1, null, gen_random_uuid(), 'Often', '{{}}', "
    "null, null, null, null, null)",
    "new": "chekov.append_one_v1('new-{0}a', 0, null, gen_random_uuid(), 'Often', '{{}}', "
    "null, null, null, null, null)",
    "once": "chekov.append_one_v1('account-3', -1, gen_random_uuid(), gen_random_uuid(), "
    "'Often', '{{}}', null, null, null, null, null)",
    "many": MANY.replace("{1}", "null, null, null"),
    "numbered": MANY.replace("new-{0}", "new-{0}c").replace(
        "{1}", "array['new-{0}c', 'account-1', 'new-{0}cb'], array[1, 2, 3], array[1, 1, 1]"
    ),
}
MOST_APPEND_PAGES = 200
"""For at most three events, each in eight indexes, which are searched several times."""


@pytest.mark.parametrize("analyzed", [False, True])
async def test_an_append_costs_an_append_however_much_there_is(dsn: str, *, analyzed: bool) -> None:
    connection = await connect(ConnectionOptions(dsn, seconds=100), application="plans")

    async def cost(call: str, turn: int) -> int:
        plan = await connection.fetch(
            f"explain (analyze, buffers) select * from {call.format(turn)}"
        )
        return pages_of("\n".join(row[0] for row in plan))

    # Postgres keeps the plans that it makes here, and forgets the events.
    begun = connection.transaction()
    await begun.start()
    for call in APPENDS.values():
        await cost(call, 1)
    await begun.rollback()
    await connection.execute(FILL)
    if analyzed:
        await connection.execute("analyze")
    costs = {name: await cost(call, 2) for name, call in APPENDS.items()}
    stored = await connection.fetchval("select max(position) from chekov.events")
    assert stored == EVENTS + 3 + 2 * 3
    await connection.close()
    assert {name: cost for name, cost in costs.items() if cost > MOST_APPEND_PAGES} == {}
