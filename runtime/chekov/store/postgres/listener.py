"""How a process hears of new events, free subscriptions, and deleted keys, and tells the others.

A notification is only a hint, the tables are the truth: the last position is read once a second, so
a lost notification costs a second and nothing else.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from chekov.backoff import Backoff
from chekov.errors import StoreError
from chekov.store.changes import Changes
from chekov.store.port import RecordedEvent
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.errors import DATABASE_ERRORS
from chekov.store.postgres.log_watch import LogWatch, Question
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.server_watch import is_writable
from chekov.store.tail import Tail
from chekov.store.troubles import Troubles

_POLL_SECONDS: Final = 1.0
_GAP_SECONDS: Final = 0.0005
"""From one notification to the next, for each event that it announces."""
_LONGEST_GAP_SECONDS: Final = 0.005
ANSWER_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 3.0
"""After which the log is polled over another connection."""
_PART: Final = "notifications"
_ADDRESS_SECONDS: Final = 10.0
"""Between looks where the address of the database leads."""


def events_channel(schema: str) -> str:
    """The channel on which new events are announced, with the last position."""
    return f"{schema}_events"


def free_channel(schema: str) -> str:
    """The channel on which it is announced that a subscription may be free."""
    return f"{schema}_free"


def keys_channel(schema: str) -> str:
    """The channel on which it is announced that keys were deleted or events erased."""
    return f"{schema}_keys"


class Listener:
    """Listens on a connection of its own, and notifies other processes on it, if there are any.

    It notifies soon while little happens, and at most once in five milliseconds while more than
    2,000 events a second are stored, so that appends do not pay for it.
    """

    def __init__(
        self,
        schema: Schema,
        changes: Changes,
        tail: Tail,
        log: LogWatch,
        troubles: Troubles,
    ) -> None:
        self._schema = schema
        self._pool = schema.pool
        self._statements = schema.statements("events")
        self._changes = changes
        self._tail = tail
        self._log = log
        self._troubles = troubles
        self._heard_at = time.monotonic()
        self._events_channel = events_channel(schema.name)
        self._free_channel = free_channel(schema.name)
        self._keys_channel = keys_channel(schema.name)
        self._application = f"chekov listener {schema.name}"
        self._others = 1
        self._announced = 0
        self._unannounced = asyncio.Event()

    def alone(self) -> bool:
        """Whether no other process listened to this store a second ago."""
        return not self._others

    def committed(self, recorded: Sequence[RecordedEvent], drops: int) -> None:
        """Give the tail what this process stored, sent after so many drops, and announce it."""
        self._unannounced.set()
        self._tail.push(recorded, drops)

    async def run(self) -> None:
        """Listen, poll and announce until cancelled; a lost connection is replaced.

        While there is none, or it is silent, the log is polled over the pool's connections.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll_elsewhere())
            group.create_task(self._follow_address())
            backoff = Backoff()
            while True:
                started = time.monotonic()
                try:
                    await self._listen()
                except (StoreError, *DATABASE_ERRORS) as error:
                    self._note(error)
                if time.monotonic() - started > ANSWER_SECONDS:
                    backoff = Backoff()
                await backoff.wait()

    async def _listen(self) -> None:
        servers = self._pool.servers
        connection = await self._pool.connect(self._application)
        generation = servers.generation
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # A hint need not survive a crash, so it need not wait for the disk.
                await connection.execute("set synchronous_commit = off")
                await connection.add_listener(self._events_channel, self._on_events)
                await connection.add_listener(self._free_channel, self._on_free)
                await connection.add_listener(self._keys_channel, self._on_keys)
            self._suspect()
            while generation == servers.generation and await self._poll(connection):
                await self._announce_until(time.monotonic() + _POLL_SECONDS, connection)
        finally:
            connection.terminate()

    async def _poll(self, connection: DriverConnection) -> bool:
        """Look at the end of the log; return whether this is the server to ask."""
        question = self._log.ask()
        row: Any = await connection.fetchrow(
            self._statements["look"],
            question.anchor.position,
            self._application,
            timeout=ANSWER_SECONDS,
        )
        if not is_writable(connection):
            self._pool.servers.met_read_only()
            return False
        *end, self._others = row
        self._learn(question, *end)
        self._heard()
        return True

    async def _poll_elsewhere(self) -> None:
        """Look at the end of the log once a second while this connection is silent."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            if time.monotonic() - self._heard_at < _SILENT_SECONDS:
                continue
            # Somebody may listen of whom nothing is heard.
            self._others = 1
            if not self._troubles.of(_PART):
                self._note(f"no answer for {_SILENT_SECONDS:g} s")
            question = self._log.ask()
            try:
                rows = await self._schema.fetch(self._statements["log"], question.anchor.position)
                self._learn(question, *rows[0])
            except StoreError:
                continue
            self._suspect()

    async def _follow_address(self) -> None:
        """Make a connection now and then, and no use of it: it shows where the others should lead.

        The former server of a switchover may take writes for as long as somebody sends them.
        """
        while True:
            await asyncio.sleep(_ADDRESS_SECONDS)
            # Readers find out by themselves what is wrong with the database.
            with suppress(StoreError, *DATABASE_ERRORS):
                connection = await self._pool.connect(self._application + " address")
                connection.terminate()

    def _heard(self) -> None:
        self._heard_at = time.monotonic()
        self._troubles.clear(_PART)

    def _note(self, error: BaseException | str) -> None:
        if isinstance(error, BaseException):
            error = self._schema.translator.store_error(error)
        self._troubles.note(_PART, error)

    def _learn(
        self,
        question: Question,
        head: int,
        head_id: UUID | None,
        found: UUID | None,
        store_id: UUID | None,
    ) -> None:
        self._schema.recognize(store_id)
        self._log.learn(question, head, head_id, found)
        self._tail.heard(head)

    async def _announce_until(self, end: float, connection: DriverConnection) -> None:
        """Notify the others of what this process stores, until it is time to poll again."""
        while (remaining := end - time.monotonic()) > 0:
            if not self._others:
                await asyncio.sleep(remaining)
                return
            try:
                async with asyncio.timeout(remaining):
                    await self._unannounced.wait()
            except TimeoutError:
                return
            self._unannounced.clear()
            known = self._tail.head.value
            news = known - self._announced
            self._announced = known
            await connection.execute(
                self._statements["notify"],
                self._events_channel,
                str(known),
                timeout=ANSWER_SECONDS,
            )
            await asyncio.sleep(min(_GAP_SECONDS * max(news, 1), _LONGEST_GAP_SECONDS))

    def _on_events(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._tail.heard(int(str(payload)))

    def _on_free(self, *_: object) -> None:
        self._changes.subscriptions.bump()

    def _on_keys(self, *_: object) -> None:
        self._tail.drop()

    def _suspect(self) -> None:
        """Count a change of everything but events: a notification may have been missed."""
        self._on_free()
        self._on_keys()
