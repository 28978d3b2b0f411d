"""`chekov verify` finds each broken promise, and nothing in a store that keeps them."""

import asyncio
import json
from uuid import uuid4

import asyncpg

from chekov import Runtime
from chekov.store.port import Key, NewEvent, NoneSince
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.verifier import Verified, verify_store
from tests.integration.server_process import run
from tests.integration.test_store_conditions import BY_TYPE, NAME, claim, event
from tests.unit.engine.boundaries.examples import ClaimName, IssueInvoice, examples


async def tamper(dsn: str, *statements: str) -> None:
    """Do what neither the store nor its functions would do."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("set session_replication_role = replica")
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def verified(dsn: str) -> Verified:
    seen: list[tuple[int, int]] = []
    found = await verify_store(dsn, "chekov", progress=lambda done, of: seen.append((done, of)))
    assert not seen or seen[-1][0] == seen[-1][1]
    assert found.violations <= len(found.faults)
    return found


async def test_a_store_that_keeps_its_promises(dsn: str, postgres_store: PostgresStore) -> None:
    assert await verified(dsn) == Verified(0, 0, 0, 0, [])
    async with Runtime(examples, store=postgres_store) as runtime:
        await asyncio.gather(
            *(runtime.dispatch(ClaimName(account=f"a{n}", name="bob")) for n in range(8)),
            *(runtime.dispatch(IssueInvoice(customer="c")) for _ in range(8)),
            return_exceptions=True,
        )
    await postgres_store.append("account-7", [event(), event()])
    await postgres_store.append("b", [event(), event()], unchanged={"account-7": 2, "none": 0})
    await postgres_store.streams.delete("account-7")
    assert await verified(dsn) == Verified(14, 10, 0, 0, [])


async def test_a_condition_that_did_not_hold(dsn: str, postgres_store: PostgresStore) -> None:
    await postgres_store.append("a", [event()])
    await postgres_store.append("b", [claim()], condition=NoneSince(NAME, 0))
    await postgres_store.append("c", [event()], unchanged={"a": 1})
    await tamper(
        dsn,
        "insert into chekov.tags values ('name:bob', 1, 'claimed')",
        "update chekov.events set metadata = replace(metadata::text, '\"a\":1', '\"a\":2')::json"
        " where position = 3",
    )
    found = await verified(dsn)
    assert (found.conditions, found.violations) == (2, 2)
    assert "an event in its scope is at position 1, after 0" in found.faults[0]
    assert "stream 'a' was at version 1, not 2" in found.faults[1]


async def test_what_was_erased_or_forgotten_is_not_a_violation(
    dsn: str, postgres_store: PostgresStore
) -> None:
    key = Key(uuid4(), "ann", b"k" * 32)
    await postgres_store.keys.offer_keys([key])
    await postgres_store.append("a", [event()])
    await postgres_store.append("gone", [event()])
    await postgres_store.append("b", [claim()], condition=NoneSince(BY_TYPE, 1))
    await postgres_store.append("c", [event()], unchanged={"gone": 1})
    await postgres_store.append("d", [event()], condition=NoneSince(NAME, 4))
    assert await verified(dsn) == Verified(5, 3, 0, 0, [])
    await postgres_store.streams.delete("gone", erase=True)
    assert await verified(dsn) == Verified(6, 3, 2, 0, [])
    hashed = NAME.map(lambda types: types, lambda _: frozenset({"name#x"}))
    await postgres_store.append("e", [event()], condition=NoneSince(hashed, 6))
    assert await verified(dsn) == Verified(7, 4, 2, 0, [])
    await postgres_store.keys.forget_keys(["ann"])
    assert await verified(dsn) == Verified(7, 4, 3, 0, [])


async def test_a_condition_that_cannot_be_read_is_not_taken_for_one_that_held(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """Nor is what merely looks like one taken for a condition."""
    await postgres_store.append("a", [event()])
    await postgres_store.append("b", [event()], unchanged={"a": 1})
    odd = [
        event()._replace(metadata=metadata)
        for metadata in (b'{"said":"$condition"}', b'["$condition"]', b'{"x":{"$condition":1}}')
    ]
    await postgres_store.append("c", odd)
    assert await verified(dsn) == Verified(5, 1, 0, 0, [])
    await tamper(
        dsn,
        "update chekov.events set metadata = replace(metadata::text, '1}', '[]}')::json"
        " where position = 2",
    )
    assert await verified(dsn) == Verified(5, 1, 1, 0, [])


async def test_gaps_are_found(dsn: str, postgres_store: PostgresStore) -> None:
    await postgres_store.append("a", [event() for _ in range(5)])
    await postgres_store.append("b", [event() for _ in range(3)])
    await tamper(
        dsn,
        "delete from chekov.events where position = 7",
        "insert into chekov.subscriptions (domain, name, version, partition, position, registered)"
        " values ('d', 'welcome', 1, 0, 99, 0)",
    )
    found = await verified(dsn)
    assert (found.events, found.violations) == (7, 0)
    assert list(found.faults) == [
        "positions 1 to 8 hold 7 events",
        "event 8 does not follow the one before it in stream 'b'",
        "subscription 'welcome', partition 0, is at 99, and the log ends at 8",
    ]


async def test_from_the_command_line(dsn: str, postgres_store: PostgresStore) -> None:
    stored = NewEvent(uuid4(), "t", b"{}")
    await postgres_store.append("a", [stored], condition=NoneSince(NAME, 0))
    code, output, _ = await run("verify", "--dsn", dsn, "--quiet")
    assert (code, output.strip()) == (
        0,
        "1 events, 1 conditions, of which 0 did not hold and 0 cannot be checked: no faults",
    )
    await tamper(dsn, "update chekov.events set position = 2 where position = 1")
    code, output, _ = await run("verify", "--dsn", dsn, "--quiet", "-o", "json")
    assert code == 1
    assert json.loads(output)["faults"] == ["positions 1 to 2 hold 1 events"]
