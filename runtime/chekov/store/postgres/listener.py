"""How this process learns that there are new events, free subscriptions, or keys less.

A notification is only a hint. What is true is in the tables: the last position is looked up once a
second, so that a lost notification costs a second and nothing else.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, LiteralString

from chekov.backoff import Backoff
from chekov.errors import StoreError
from chekov.store.port import RecordedEvent
from chekov.store.postgres.connection_options import ConnectionOptions, DriverConnection, connect
from chekov.store.postgres.errors import DATABASE_ERRORS

_POLL_SECONDS: Final = 1.0
_NOTIFY_GAP_SECONDS: Final = 0.0005
_BUSY_GAP_SECONDS: Final = 0.005
_BUSY_EVENTS: Final = 8
_KEEP_EVENTS: Final = 4096
_KEEP_BYTES: Final = 16 * 1024 * 1024
_AT_ONCE: Final = 1000
ANSWER_SECONDS: Final = 10.0


def events_channel(schema: str) -> str:
    """Where it is told that there are more events, and up to which position."""
    return f"{schema}_events"


def free_channel(schema: str) -> str:
    """Where it is told that a subscription may be free."""
    return f"{schema}_free"


def keys_channel(schema: str) -> str:
    """Where it is told that keys were taken away."""
    return f"{schema}_keys"


class Listener:
    """Knows the last position that was heard of, and wakes whoever waits for a later one.

    It also tells the other processes, if there are any, on its own connection: soon when little
    happens, and at most once in five milliseconds when much does, so that the appends do not pay.
    """

    def __init__(
        self, access: ConnectionOptions, schema: str, statements: Mapping[str, LiteralString]
    ) -> None:
        self._access = access
        self._statements = statements
        self._events_channel = events_channel(schema)
        self._application = f"chekov listener {schema}"
        self._others = 1
        self._free_channel = free_channel(schema)
        self._keys_channel = keys_channel(schema)
        self.known = 0
        self._told = 0
        self._recent: list[RecordedEvent] = []
        self._recent_bytes = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._freed = 0
        self._free_waiters: set[asyncio.Future[None]] = set()
        self.forgettings = 0
        self._keys_waiters: set[asyncio.Future[None]] = set()
        self._untold = asyncio.Event()

    def alone(self) -> bool:
        """Whether no other process listened to this store a second ago."""
        return not self._others

    def committed(self, recorded: Sequence[RecordedEvent]) -> None:
        """Hand over what this process stored, and let the others know."""
        self._keep(recorded)
        self._untold.set()
        self.heard(recorded[-1].position)

    def forget(self) -> None:
        """Hand over nothing that is at hand: it may hold what was erased."""
        self._recent = []
        self._recent_bytes = 0

    def heard(self, position: int) -> None:
        """There are events up to `position`."""
        if position > self.known:
            self.known = position
            _wake(self._waiters)

    async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
        """Wait until there is something above `position`; the events, if they are at hand."""
        if self.known <= position:
            await _wait(self._waiters, wait_for)
        recent = self._recent
        if not recent:
            return ()
        start = position + 1 - recent[0].position
        return recent[start : start + _AT_ONCE] if start >= 0 else ()

    async def freed(self, seen: int, wait_for: float) -> int:
        """Wait until a subscription may have become free."""
        if self._freed <= seen:
            await _wait(self._free_waiters, wait_for)
        return self._freed

    async def forgotten(self, seen: int, wait_for: float) -> None:
        """Wait until keys may have been taken away since `forgettings` was `seen`."""
        if self.forgettings <= seen:
            await _wait(self._keys_waiters, wait_for)

    def close(self) -> None:
        """Let nobody wait any longer."""
        _wake(self._waiters)
        _wake(self._free_waiters)
        _wake(self._keys_waiters)

    async def run(self) -> None:
        """Listen, look and tell, until cancelled; a lost connection is made again."""
        backoff = Backoff()
        while True:
            started = time.monotonic()
            # Whoever waits finds out by itself what is wrong with the database.
            with suppress(StoreError, *DATABASE_ERRORS):
                await self._listen()
            if time.monotonic() - started > ANSWER_SECONDS:
                backoff = Backoff()
            await backoff.wait()

    async def _listen(self) -> None:
        connection = await connect(self._access, application=self._application)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # A hint need not survive a crash, so it need not wait for the disk.
                await connection.execute("set synchronous_commit = off")
                await connection.add_listener(self._events_channel, self._on_events)
                await connection.add_listener(self._free_channel, self._on_free)
                await connection.add_listener(self._keys_channel, self._on_keys)
            self._suspect()
            while True:
                await self._look(connection)
                await self._tell_until(time.monotonic() + _POLL_SECONDS, connection)
        finally:
            connection.terminate()

    async def _look(self, connection: DriverConnection) -> None:
        row: Any = await connection.fetchrow(
            self._statements["look"], self._application, timeout=ANSWER_SECONDS
        )
        position, self._others = row
        self.heard(position)

    async def _tell_until(self, end: float, connection: DriverConnection) -> None:
        """Tell the others what this process stored, until it is time to look again."""
        while (remaining := end - time.monotonic()) > 0:
            if not self._others:
                await asyncio.sleep(remaining)
                return
            try:
                async with asyncio.timeout(remaining):
                    await self._untold.wait()
            except TimeoutError:
                return
            self._untold.clear()
            news = self.known - self._told
            self._told = self.known
            await connection.execute(
                self._statements["notify"],
                self._events_channel,
                str(self._told),
                timeout=ANSWER_SECONDS,
            )
            await asyncio.sleep(_BUSY_GAP_SECONDS if news > _BUSY_EVENTS else _NOTIFY_GAP_SECONDS)

    def _on_events(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self.heard(int(str(payload)))

    def _on_free(self, *_: object) -> None:
        self._freed += 1
        _wake(self._free_waiters)

    def _on_keys(self, *_: object) -> None:
        self.forgettings += 1
        _wake(self._keys_waiters)

    def _suspect(self) -> None:
        """Something may have been missed."""
        self._on_free()
        self._on_keys()

    def _keep(self, recorded: Sequence[RecordedEvent]) -> None:
        """Keep the longest contiguous run up to the newest event."""
        recent = self._recent
        if not recent or recorded[0].position > recent[-1].position + 1:
            self._recent = list(recorded)
            self._recent_bytes = 0
        elif recorded[0].position == recent[-1].position + 1:
            recent += recorded
        elif recorded[-1].position + 1 == recent[0].position:
            recent[:0] = recorded
        else:
            return
        self._recent_bytes += sum([len(event.data) for event in recorded])
        if len(self._recent) > 2 * _KEEP_EVENTS or self._recent_bytes > 2 * _KEEP_BYTES:
            self._forget()

    def _forget(self) -> None:
        del self._recent[: -_KEEP_EVENTS or None]
        while self._recent_bytes > _KEEP_BYTES and len(self._recent) > 1:
            del self._recent[: len(self._recent) // 2]
            self._recent_bytes = sum(len(event.data) for event in self._recent)
        self._recent_bytes = sum(len(event.data) for event in self._recent)


async def _wait(waiters: set[asyncio.Future[None]], seconds: float) -> None:
    waiter = asyncio.get_running_loop().create_future()
    waiters.add(waiter)
    try:
        async with asyncio.timeout(seconds):
            await waiter
    except TimeoutError:
        pass
    finally:
        waiters.discard(waiter)


def _wake(waiters: set[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
