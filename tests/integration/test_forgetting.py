"""Personal data in a real Postgres: never stored in plain, unreadable everywhere once forgotten."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from chekov import FORGOTTEN, MessagePack, Runtime, Serializer
from chekov.cli.commands import run
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import KeyUnusable, StoreUnavailable
from chekov.store.port import CheckpointMove, NewEvent, SubscriptionKey
from chekov.store.postgres import PostgresStore
from tests.integration.forgetting_process import ROOT
from tests.unit.store.people import Address, Club, Join, Joined, Letters, clubs
from tests.waiting import until

ADA, BOB = UUID(int=1), UUID(int=2)
SECRET = "Ada Lovelace \N{SNOWMAN}"


def ada(club: str = "a") -> Join:
    return Join(club=club, member=ADA, name=SECRET, email="ada@example", street="Elm Street")


def bob() -> Join:
    return Join(club="a", member=BOB, name="Bob")


async def everything(dsn: str) -> str:
    """All rows of all tables of the store, as text."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "select tablename from pg_tables where schemaname = 'chekov'"
        )
        found: list[str] = []
        for row in tables:
            table = row["tablename"]
            for record in await connection.fetch(f'select * from chekov."{table}"'):
                for value in record.values():
                    text = value.decode("latin1") if isinstance(value, bytes) else str(value)
                    found.append(text)
        return "\n".join(found)
    finally:
        await connection.close()


@pytest.mark.parametrize("serializer", [None, MessagePack()], ids=["json", "msgpack"])
async def test_no_table_and_no_log_contains_personal_data(
    dsn: str, serializer: Serializer | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    letters = Letters()
    async with Runtime(clubs(letters, serializer=serializer), store=dsn) as runtime:
        await runtime.dispatch(ada())
        await runtime.dispatch(bob(), consistency="strong")
        await until(lambda: runtime.store.snapshots.load("club-a"))
        assert letters.joined[0].name == SECRET
        assert (await runtime.load(Club, "a")).state.names[ADA] == SECRET
    shown = await everything(dsn) + caplog.text
    assert str(ADA) in shown
    for part in ("Ada Lovelace", "Lovelace", "ada@example", "Elm Street"):
        assert part not in shown


async def test_another_runtime_forgets_too(dsn: str) -> None:
    one_letters = Letters()
    async with (
        Runtime(clubs(one_letters), store=dsn, node="one") as one,
        Runtime(clubs(), store=dsn, node="two", subscriptions=False) as two,
    ):
        await one.dispatch(ada())
        await two.dispatch(bob())
        assert (await two.load(Club, "a")).state.names == {ADA: SECRET, BOB: "Bob"}
        assert await one.forget(str(ADA))
        assert (await one.load(Club, "a")).state.names == {ADA: None, BOB: "Bob"}

        async def notified() -> bool:
            return (await two.load(Club, "a")).state.names[ADA] is None

        await until(notified)
        [seen, _] = await two.unsealed.read_page()
        assert two.decode(seen) == Joined(
            member=ADA, name=FORGOTTEN, email=FORGOTTEN, address=FORGOTTEN
        )
        await two.dispatch(ada())
        assert (await one.load(Club, "a")).state.names[ADA] == SECRET


async def test_another_process_is_notified_when_the_command_line_forgets(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Runtime(clubs(), store=dsn, subscriptions=False) as runtime:
        await runtime.dispatch(ada())
        await runtime.dispatch(bob())
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.forgetting_process",
        dsn,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:

        async def names() -> str:
            assert child.stdin
            assert child.stdout
            child.stdin.write(b"\n")
            await child.stdin.drain()
            return (await child.stdout.readline()).decode().strip()

        assert await names() == str([SECRET, "Bob"])
        command = ["forget", str(ADA), "nobody", "--dsn", dsn, "--output", "json"]
        assert await asyncio.to_thread(run, command) == 0
        results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert results == [
            {"subject": str(ADA), "forgotten": True},
            {"subject": "nobody", "forgotten": False},
        ]

        async def notified() -> bool:
            return await names() == "['Bob', 'None']"

        await until(notified)
    finally:
        child.kill()
        await child.wait()


async def test_the_command_line_reports_in_plain_text(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Runtime(clubs(), store=dsn, subscriptions=False) as runtime:
        await runtime.dispatch(ada())
    for expected in ("is forgotten", "has no key"):
        assert await asyncio.to_thread(run, ["forget", str(ADA), "--dsn", dsn]) == 0
        assert expected in capsys.readouterr().out


async def test_the_row_of_a_forgotten_key_remains(dsn: str) -> None:
    async with Runtime(clubs(), store=dsn, subscriptions=False) as runtime:
        await runtime.dispatch(ada())
        await runtime.forget(str(ADA))
    connection = await asyncpg.connect(dsn)
    try:
        row = await connection.fetchrow(
            "select key, forgotten from chekov.keys where subject = $1", str(ADA)
        )
        assert row is not None
        assert row["key"] is None
        assert row["forgotten"] is not None
    finally:
        await connection.close()


async def test_keys_are_stored_wrapped_by_the_master_key(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(os.urandom(32))
    async with Runtime(clubs(), store=dsn, subscriptions=False, master_key=file) as runtime:
        await runtime.dispatch(ada())
    connection = await asyncpg.connect(dsn)
    try:
        sizes = await connection.fetch("select length(key) from chekov.keys")
        assert {row[0] for row in sizes} == {68}
    finally:
        await connection.close()
    async with Runtime(clubs(), store=dsn, subscriptions=False, master_key=file) as runtime:
        assert (await runtime.load(Club, "a")).state.names == {ADA: SECRET}
    with pytest.raises(KeyUnusable):
        async with Runtime(clubs(), store=dsn, subscriptions=False):
            pass


async def test_an_unavailable_database_is_not_mistaken_for_forgetting(
    private_server: EmbeddedPostgres,
) -> None:
    letters = Letters()
    store = PostgresStore(private_server.dsn, patience=0.5)
    async with Runtime(clubs(letters), store=store) as runtime:
        await runtime.dispatch(ada(), consistency="strong")
        await private_server.kill()
        for read in (runtime.forget(str(ADA)), runtime.load(Club, "a")):
            with pytest.raises(StoreUnavailable):
                await read
        await private_server.start()
        assert (await runtime.load(Club, "a")).state.names == {ADA: SECRET}
        done = await runtime.dispatch(ada("b"), timeout=240)
        await runtime.wait(done.position, timeout=240)
        assert [event.name for event in letters.joined] == [SECRET, SECRET]
        assert await runtime.forget(str(ADA))
        assert (await runtime.load(Club, "a")).state.names == {ADA: None}


async def test_runtimes_that_seal_for_the_same_subjects_share_their_keys(dsn: str) -> None:
    members = [uuid4() for _ in range(20)]
    async with (
        Runtime(clubs(), store=dsn, node="one", subscriptions=False) as one,
        Runtime(clubs(), store=dsn, node="two", subscriptions=False) as two,
    ):
        await asyncio.gather(
            *(
                runtime.dispatch(Join(club=f"{name}-{member}", member=member, name="N"))
                for member in members
                for name, runtime in (("one", one), ("two", two))
            )
        )
        for runtime in (one, two):
            events = [runtime.decode(item) for item in await runtime.unsealed.read_page()]
            assert len(events) == 40
            assert {event.name for event in events if isinstance(event, Joined)} == {"N"}
    connection = await asyncpg.connect(dsn)
    try:
        count = await connection.fetchval(
            "select count(*) from chekov.keys where subject not like '$%'"
        )
        assert count == 20
    finally:
        await connection.close()


async def test_past_states_and_links_forget_too(dsn: str) -> None:
    async with Runtime(clubs(), store=dsn, subscriptions=False) as runtime:
        await runtime.dispatch(ada())
        await runtime.dispatch(bob())
        await runtime.store.streams.link("friends", [1])
        assert (await runtime.load(Club, "a", at=1)).state.names == {ADA: SECRET}
        await runtime.forget(str(ADA))
        assert (await runtime.load(Club, "a", at=1)).state.names == {ADA: None}
        [seen] = await runtime.unsealed.read_stream("friends")
        event = runtime.decode(seen)
        assert isinstance(event, Joined)
        assert event.name is FORGOTTEN


async def test_what_is_appended_in_a_transaction_is_sealed_too(dsn: str) -> None:
    """Its caller gets it back in plain; whoever reads the tables does not see it."""
    key = SubscriptionKey("clubs", "letters")
    async with Runtime(clubs(), store=dsn, subscriptions=False) as runtime:
        store = runtime.unsealed
        assert store.read_models is not None
        await store.subscriptions.register([key])
        [claim] = await store.subscriptions.claim("one", [key], lease=60)
        # So long that no ciphertext happens to contain it.
        name = "Ada, Countess of Lovelace"
        event = Joined(member=ADA, name=name, email="ada@example", address=Address(street="S"))
        new = NewEvent(uuid4(), "Joined", runtime.codec.encode(event))
        async with store.read_models.transaction(claim, CheckpointMove(1)) as connection:
            appended = await store.read_models.append_in_transaction(
                connection, "club-a", [new], expected=0
            )
        assert runtime.decode(appended.recorded[0]) == event
        assert [runtime.decode(item) for item in await store.read_stream("club-a")] == [event]
        assert name not in await everything(dsn)
        await runtime.forget(str(ADA))
        [forgotten] = [runtime.decode(item) for item in await store.read_page()]
        assert isinstance(forgotten, Joined)
        assert forgotten.name == FORGOTTEN


async def test_keys_are_found_by_an_index(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("set enable_seqscan = off")
        for condition in (
            "subject = any(array['x']) and forgotten is null",
            f"id = any(array['{ADA}'::uuid])",
        ):
            plan = await connection.fetch(f"explain select * from chekov.keys where {condition}")
            assert any("Index" in row[0] for row in plan)
    finally:
        await connection.close()
