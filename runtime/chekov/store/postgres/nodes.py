"""The role `nodes` in Postgres: a row per process, and a session whose end shows its death.

When a process is killed, its kernel closes the connection, Postgres ends the session, and the lock
that it held is gone within milliseconds: long before a lease runs out. After a restart of the
server nobody's session is there, so then only the row's age counts. Behind a pooler sessions are
not a process's own, so there is no lock at all. Where the session's connection is lost or silent,
the row says so at once, and the node is heard of over the pool's connections.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from math import inf
from typing import Any, Final, NamedTuple

from chekov.backoff import Backoff
from chekov.errors import StoreError
from chekov.store.port import Node
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.errors import DATABASE_ERRORS
from chekov.store.postgres.listener import ANSWER_SECONDS, free_channel
from chekov.store.postgres.schema import Schema
from chekov.store.troubles import Troubles

_LONGEST_WAIT: Final = 0.2
"""Seconds between attempts to have a session again: others miss it after half a second."""
_PART: Final = "the session that shows that this process lives"


class _Node(NamedTuple):
    """What a node says of itself."""

    id: str
    domain: str
    offers: Sequence[str]
    lease: float
    well: Callable[[], bool]

    def columns(self, channel: str, *, with_session: bool) -> tuple[object, ...]:
        """The parameters of the statement `join`, which notifies a channel."""
        return self.id, self.domain, self.offers, with_session, self.lease, channel


class PostgresNodes:
    """One row per process.

    Args:
        schema: of the store.
        troubles: it is noted there that a node has no session.
    """

    def __init__(self, schema: Schema, troubles: Troubles) -> None:
        self._schema = schema
        self._troubles = troubles
        self._statements = schema.statements("nodes")
        self._free_channel = free_channel(schema.name)

    async def join(self, node: str, domain: str, offers: Collection[str], *, lease: float) -> None:
        """Be one of the nodes of a domain, in a row that names no session."""
        row = _Node(node, domain, sorted(offers), lease, lambda: True)
        await self._fetch("join", *row.columns(self._free_channel, with_session=False))

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
        row = _Node(node, domain, sorted(offers), lease, well)
        pooled = self._schema.pool.options.pooled
        attendance = _Attendance(self._schema, row, has_session=not pooled)
        async with asyncio.TaskGroup() as group:
            group.create_task(attendance.be_heard_of_elsewhere())
            if not pooled:
                group.create_task(self._hold_sessions(attendance))

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)

    async def _hold_sessions(self, attendance: "_Attendance") -> None:
        backoff = Backoff(longest=_LONGEST_WAIT)
        while True:
            try:
                await attendance.hold_session(lambda: self._troubles.clear(_PART))
            except (StoreError, *DATABASE_ERRORS) as error:
                self._troubles.note(_PART, self._schema.translator.store_error(error))
            await backoff.wait()

    async def leave(self, node: str) -> None:
        """Be a node no longer."""
        await self._fetch("leave", node, self._free_channel)

    async def list(self, domain: str | None, *, lease: float) -> Sequence[Node]:
        """The nodes of a domain, or of all domains, in the order in which they joined."""
        return [
            Node(
                node,
                frozenset(offers),
                None if backend is None else f"{backend} since {started}",
                fresh,
                vanished,
                its_domain,
            )
            for node, offers, backend, started, fresh, vanished, its_domain in map(
                tuple, await self._fetch("nodes", domain, lease)
            )
        ]


class _Attendance:
    """Keeps the row of one node true.

    Args:
        schema: of the store.
        node: what the row says.
        has_session: whether the node can hold one.
    """

    def __init__(self, schema: Schema, node: _Node, *, has_session: bool) -> None:
        self._schema = schema
        self._statements = schema.statements("nodes")
        self._free_channel = free_channel(schema.name)
        self._node = node
        self._interval = node.lease / 3
        self._has_session = has_session
        self._heard_at = time.monotonic() if has_session else -inf
        self._said_at = -inf
        self._known = self._known_elsewhere = False
        self._said_elsewhere = 0

    async def hold_session(self, on_held: Callable[[], None]) -> None:
        """Join on a connection of its own, and be heard of on it, until it is lost."""
        servers = self._schema.pool.servers
        connection = await self._schema.pool.connect(f"chekov node {self._schema.name}")
        generation = servers.generation
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        self._known = False
        try:
            # Being heard of need not survive a crash, so it need not wait for the disk.
            await connection.execute("set synchronous_commit = off", timeout=ANSWER_SECONDS)
            await connection.execute(
                self._statements["hold"], self._node.id, timeout=ANSWER_SECONDS
            )
            while generation == servers.generation and not lost.is_set():
                if self._node.well() or not self._known:
                    await self._say(connection)
                    on_held()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await lost.wait()
        finally:
            connection.terminate()
            self._heard_at = self._said_at = -inf

    async def be_heard_of_elsewhere(self) -> None:
        """Say over the pool's connections that the node lives, while it has no session to say it.

        As long as the row names a session that has ended, others take over what the node has.
        """
        while True:
            now = time.monotonic()
            silent = now - self._heard_at >= 2 * self._interval
            # One without a session joins here, well or not.
            joining = not self._has_session and not self._known_elsewhere
            due = silent and now - self._said_at >= self._interval
            if due and (joining or self._node.well()):
                self._said_at = now
                # What is wrong with these connections, others find out and report.
                with suppress(StoreError):
                    await self._say_elsewhere()
            await asyncio.sleep(min(self._interval, _LONGEST_WAIT))

    async def _say(self, connection: DriverConnection) -> None:
        """Be heard of; join if that was not done, or if the row was removed meanwhile."""
        elsewhere = self._said_elsewhere
        timeout = ANSWER_SECONDS
        if self._known:
            found = await connection.fetchval(
                self._statements["beat"], self._node.id, timeout=timeout
            )
            self._known = found is not None
        if not self._known:
            row = self._node.columns(self._free_channel, with_session=True)
            await connection.fetchval(self._statements["join"], *row, timeout=timeout)
        self._heard_at = time.monotonic()
        # What was said elsewhere meanwhile may have come later, and names no session.
        self._known = elsewhere == self._said_elsewhere
        self._known_elsewhere = False

    async def _say_elsewhere(self) -> None:
        """Be heard of over the pool's connections, in a row that names no session."""
        self._said_elsewhere += 1
        try:
            fetch, statements = self._schema.fetch, self._statements
            if self._known_elsewhere and await fetch(statements["beat"], self._node.id):
                return
            row = self._node.columns(self._free_channel, with_session=False)
            await fetch(statements["join"], *row)
            self._known_elsewhere = True
        finally:
            self._said_elsewhere += 1
            self._known = False
