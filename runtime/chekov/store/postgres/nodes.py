"""The role `nodes` in Postgres: a row per process, and a session whose end shows its death.

When a process is killed, its kernel closes the connection, Postgres ends the session, and the lock
that it held is gone within milliseconds: long before a lease runs out. After a restart of the
server nobody's session is there, so then only the row's age counts. Behind a pooler sessions are
not a process's own, so there is no lock at all.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final

from chekov.backoff import Backoff
from chekov.errors import StoreError
from chekov.store.port import Node
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.errors import DATABASE_ERRORS
from chekov.store.postgres.listener import ANSWER_SECONDS, free_channel
from chekov.store.postgres.schema import Schema

_LONGEST_WAIT: Final = 0.2
"""Seconds between attempts to have a session again: others miss it after half a second."""


class PostgresNodes:
    """One row per process."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("nodes")
        self._free_channel = free_channel(schema.name)

    async def attend(
        self,
        node: str,
        domain: str,
        offers: Collection[str],
        *,
        lease: float,
        well: Callable[[], bool],
    ) -> None:
        """Be one of the nodes of a domain until cancelled."""
        backoff = Backoff(longest=_LONGEST_WAIT)
        row = (node, domain, sorted(offers))
        while True:
            # What is wrong with the database, others find out and report.
            with suppress(StoreError, TimeoutError, *DATABASE_ERRORS):
                if self._schema.pool.options.pooled:
                    await self._beat(row, lease, well)
                else:
                    await self._hold_session(row, lease, well)
            await backoff.wait()

    async def leave(self, node: str) -> None:
        """Be a node no longer."""
        await self._fetch("leave", node, self._free_channel)

    async def list(self, domain: str, *, lease: float) -> Sequence[Node]:
        """The nodes of a domain, in the order in which they joined."""
        return [
            Node(
                node,
                frozenset(offers),
                None if backend is None else f"{backend} since {started}",
                fresh,
                vanished,
            )
            for node, offers, backend, started, fresh, vanished in map(
                tuple, await self._fetch("nodes", domain, lease)
            )
        ]

    async def _hold_session(
        self, row: tuple[str, str, Sequence[str]], lease: float, well: Callable[[], bool]
    ) -> None:
        """Join on a connection of its own, and be heard of on it, until it is lost."""
        servers = self._schema.pool.servers
        connection = await self._schema.pool.connect(f"chekov node {self._schema.name}")
        generation = servers.generation
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            # Being heard of need not survive a crash, so it need not wait for the disk.
            await connection.execute("set synchronous_commit = off", timeout=ANSWER_SECONDS)
            await connection.execute(self._statements["hold"], row[0], timeout=ANSWER_SECONDS)
            known = False
            while generation == servers.generation and not lost.is_set():
                if well() or not known:
                    known = await self._say(connection, row, lease, known=known)
                with suppress(TimeoutError):
                    async with asyncio.timeout(lease / 3):
                        await lost.wait()
        finally:
            connection.terminate()

    async def _say(
        self,
        connection: DriverConnection,
        row: tuple[str, str, Sequence[str]],
        lease: float,
        *,
        known: bool,
    ) -> bool:
        """Be heard of; join if that was not done, or if the row was removed meanwhile."""
        if known:
            beat = self._statements["beat"]
            if await connection.fetchval(beat, row[0], timeout=ANSWER_SECONDS) is not None:
                return True
        with_session = True
        values = *row, with_session, lease, self._free_channel
        await connection.fetchval(self._statements["join"], *values, timeout=ANSWER_SECONDS)
        return True

    async def _beat(
        self, row: tuple[str, str, Sequence[str]], lease: float, well: Callable[[], bool]
    ) -> None:
        """Be heard of through the pooler's connections, which cannot hold a lock."""
        known = with_session = False
        while True:
            if (well() or not known) and not await self._fetch("beat", row[0]):
                await self._fetch("join", *row, with_session, lease, self._free_channel)
            known = True
            await asyncio.sleep(lease / 3)

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)
