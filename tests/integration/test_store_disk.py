"""A full disk and a read-only database: a typed error, and writing resumes afterwards."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import NewEvent, RecordedEvent, StreamAppend, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.testing.history import Attempt, Memory, Part, check, check_followed
from tests.integration.small_disk import MEGABYTE, Room, quota, small_disk
from tests.waiting import until

BOUND = 40
"""Seconds that no call may take: far more than it needs, far less than for ever."""


class Appender:
    """Appends what takes room, and remembers what came of it."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.memory: list[Attempt] = []

    async def append(self) -> StoreError | None:
        """Half a megabyte that cannot be compressed, in two streams; the error."""
        halves = [NewEvent(uuid4(), "t", b"\0" + os.urandom(MEGABYTE // 4)) for _ in range(2)]
        appends = [StreamAppend(name, [event]) for name, event in zip("ab", halves, strict=True)]
        parts = tuple(Part(name, (events[0].id,), -1) for name, events, _ in appends)
        try:
            async with asyncio.timeout(BOUND):
                answers = await self.store.append_together(appends)
        except StoreError as error:
            known = isinstance(error, StoreUnavailable) and error.stored is None
            self.memory.append(Attempt(parts, "unknown" if known else "refused"))
            return error
        places = [
            part._replace(version=answer.version, position=answer.position)
            for part, answer in zip(parts, answers, strict=True)
        ]
        self.memory.append(Attempt(tuple(places), "stored"))
        return None

    async def is_stored(self) -> bool:
        return await self.append() is None

    async def is_refused(self) -> bool:
        return await self.append() is not None

    async def check(self) -> list[RecordedEvent]:
        history = [event async for event in self.store.read_all()]
        check(history, Memory(self.memory))
        return history


@asynccontextmanager
async def following(store: PostgresStore) -> AsyncGenerator[list[RecordedEvent]]:
    """What a follower sees meanwhile."""
    seen: list[RecordedEvent] = []

    async def follow() -> None:
        while True:
            try:
                await store.wait("events", len(seen), 0.1)
                page = await store.tail.after(len(seen))
                if not page or page[0].position != len(seen) + 1:
                    page = await store.read_page(after=len(seen), limit=10)
            except StoreError:
                continue
            seen.extend(page)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow())
        yield seen
        task.cancel()


async def supervise(server: EmbeddedPostgres) -> None:
    """Start a server again that gave up, as what runs it in earnest does."""
    try:
        connection = await asyncpg.connect(server.dsn)
    except (OSError, asyncpg.PostgresError):
        await server.start()
    else:
        await connection.close()


@pytest.mark.parametrize("room_made", [small_disk, quota])
async def test_a_full_disk_loses_nothing_and_writing_resumes_with_space(
    room_made: Callable[[], AbstractContextManager[Room]],
) -> None:
    settings = {"min_wal_size": "32MB", "max_wal_size": "32MB"}
    with room_made() as room:
        server = EmbeddedPostgres(room.folder, settings=settings)
        await server.start()
        try:
            async with PostgresStore(server.dsn, patience=0.5) as store, following(store) as seen:
                appender = Appender(store)
                await until(appender.is_stored)
                for _ in range(2):
                    room.fill()
                    await until(appender.is_refused, BOUND)
                    await appender.append()
                    room.free()
                    await supervise(server)
                    await until(appender.is_stored, BOUND)
                    room.fill()
                    room.free()
                history = await appender.check()
                await until(lambda: len(seen) >= len(history))
                check_followed(history, seen)
        finally:
            await server.stop()


async def test_a_read_only_database_is_reported_and_writing_resumes(
    private_server: EmbeddedPostgres,
) -> None:
    key = SubscriptionKey("bank", "mails")
    async with PostgresStore(private_server.dsn, patience=0.5) as store, following(store) as seen:
        appender = Appender(store)
        assert await appender.is_stored()
        await store.subscriptions.register([key])
        [claim] = await store.subscriptions.claim("one", [key], lease=3600)
        admin = await asyncpg.connect(private_server.dsn)
        for _ in range(2):
            await admin.execute("alter system set default_transaction_read_only = on")
            await admin.execute("select pg_reload_conf()")
            await until(appender.is_refused)
            version = (await store.streams.info("a")).version
            for call in [
                store.append("a", [NewEvent(uuid4(), "t", b"{}")], expected=version),
                store.append("a", [NewEvent(uuid4(), "t", b"{}")]),
                store.streams.link("c", [1]),
                store.streams.delete("b"),
                store.streams.truncate("a", before=1),
                store.subscriptions.save(claim, version),
            ]:
                async with asyncio.timeout(BOUND):
                    with pytest.raises(StoreUnavailable) as caught:
                        await call
                assert caught.value.stored is False
            assert isinstance(await appender.append(), StoreUnavailable)
            assert len(await store.read_stream("a")) == version
            await admin.execute("set transaction_read_only = off")
            await admin.execute("alter system reset default_transaction_read_only")
            await admin.execute("select pg_reload_conf()")
            await until(appender.is_stored)
            await store.subscriptions.save(claim, version)
        await admin.close()
        history = await appender.check()
        assert history[0].position == 1
        await until(lambda: len(seen) >= len(history))
        check_followed(history, seen)


async def test_a_standby_is_read_and_written_to_when_it_is_promoted(
    private_server: EmbeddedPostgres,
) -> None:
    async with PostgresStore(private_server.dsn) as primary:
        writer = Appender(primary)
        for _ in range(3):
            assert await writer.is_stored()
        async with (
            standby_of(private_server) as standby,
            PostgresStore(standby.dsn, migrate=False, patience=0.5) as store,
            following(store) as seen,
        ):
            appender = Appender(store)
            assert await writer.is_stored()
            await until(lambda: len(seen) == 8)
            for _ in range(2):
                async with asyncio.timeout(BOUND):
                    error = await appender.append()
                assert isinstance(error, StoreUnavailable)
                assert error.stored is False
            admin = await asyncpg.connect(standby.dsn)
            await admin.execute("select pg_promote()")
            await admin.close()
            await until(appender.is_stored, BOUND)
            appender.memory += writer.memory
            history = await appender.check()
            await until(lambda: len(seen) >= len(history))
            check_followed(history, seen)


def beside(server: EmbeddedPostgres, name: str) -> str:
    """A program of the version that the server has."""
    pid = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
    return str(Path(f"/proc/{pid}/exe").resolve().with_name(name))


@asynccontextmanager
async def standby_of(primary: EmbeddedPostgres) -> AsyncGenerator[EmbeddedPostgres]:
    """A server that follows another one."""
    with tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        server = EmbeddedPostgres(Path(folder))
        # To make the folder passable for whom the server runs as.
        await server.start()
        await server.stop()
        data, password = Path(folder) / "data", Path(folder) / "password"
        owner = data.stat()
        shutil.rmtree(data)
        shutil.copy(primary.folder / "password", password)
        process = await asyncio.create_subprocess_exec(
            beside(primary, "pg_basebackup"),
            "--checkpoint=fast",
            "--write-recovery-conf",
            f"--dbname={primary.dsn}",
            f"--pgdata={data}",
        )
        assert await process.wait() == 0
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
