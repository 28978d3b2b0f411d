"""One store that is read again and again in the background, whoever needs to know."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from chekov.errors import ChekovError
from chekov.store.postgres.inspect import Progress, StoreStatus
from chekov_operator.api.event_store import Store
from chekov_operator.api.fault import Fault
from chekov_operator.kube.kinds import Key

FIRST_RETRY_SECONDS: Final = 0.5
"""Short, because people wait for a database that is started; each further one doubles it."""
LONGEST_RETRY_SECONDS: Final = 60.0
CONFIRMING_SECONDS: Final = 1.0
"""Until a failed read is repeated, before it is reported: one failed read is not an outage."""
HURRIED_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was last read from a store.

    Attributes:
        host: the servers that the DSN names, without credentials.
        pod_ports: of the pods behind the Services that it names, where they differ.
        reader_host: the servers that the DSN of the reader names, if there is one that can be used.
        dsn_fault: why no DSN can be used; `None` if one can.
        unreachable: why the database could not be read, if so.
        state: of the store.
        progress: of the subscriptions in it; `None` if it has no schema that can be
            read.
        waiting: of the bundles that asked, whether there is an event that their handlers take.
    """

    host: str | None = None
    pod_ports: tuple[int, ...] = ()
    reader_host: str | None = None
    dsn_fault: Fault | None = None
    unreachable: Fault | None = None
    state: StoreStatus | None = None
    progress: Progress | None = None
    waiting: Mapping[Key, bool] = field(default_factory=dict[Key, bool])

    @property
    def is_good(self) -> bool:
        return self.dsn_fault is None and self.unreachable is None

    @property
    def progress_fault(self) -> Fault | None:
        """Why it says nothing about the progress of subscriptions; `None` if it does."""
        if self.progress is not None:
            return None
        fault = self.dsn_fault or self.unreachable
        message = fault.message if fault else "it has no schema that this operator works with yet"
        return Fault("StoreUnreachable", message)


class Poller:
    """Reads a store until it is cancelled, and reports each change.

    A database that does not answer delays nobody but its own poller.

    Args:
        store: the store.
        read: reads it.
        changed: called after each reading that is not as the one before.
        refresh_seconds: between two reads of a store that answers.
    """

    def __init__(
        self,
        store: Store,
        read: Callable[[Store], Awaitable[Reading]],
        changed: Callable[[], None],
        *,
        refresh_seconds: float,
    ) -> None:
        self.store = store
        self.reading: Reading | None = None
        self._read = read
        self._changed = changed
        self._refresh_seconds = refresh_seconds
        self._failures = 0
        self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """Read a little sooner this time, because something is about to change."""
        self._hurried.set()

    async def run(self) -> None:
        while True:
            pause = await self._step() * random.uniform(0.9, 1.1)  # noqa: S311
            await self._rest(pause)

    async def _step(self) -> float:
        """Read once; return the seconds until the next time."""
        try:
            found = await self._read(self.store)
        except ChekovError as error:
            # The API server did not give the Secret, which says nothing about the store.
            _log.warning("a store was not read", extra={"error": str(error)})
            return self._retry_seconds()
        except Exception:  # noqa: BLE001 one failure must not end the polling
            _log.exception("reading a store failed")
            return self._retry_seconds()
        was_good = self.reading is not None and self.reading.is_good
        if found.unreachable is not None and was_good and not self._failures:
            self._failures = 1
            return CONFIRMING_SECONDS
        before, self.reading = self.reading, found
        # Figures that change all the time are news to nobody, but whoever looks sees the newest.
        if found != before:
            self._changed()
        if not found.is_good:
            return self._retry_seconds()
        self._failures = 0
        return self._refresh_seconds

    def _retry_seconds(self) -> float:
        self._failures += 1
        return min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (min(self._failures, 16) - 1))

    async def _rest(self, pause: float) -> None:
        shortest = min(pause, HURRIED_SECONDS)
        await asyncio.sleep(shortest)
        try:
            async with asyncio.timeout(pause - shortest):
                await self._hurried.wait()
        except TimeoutError:
            pass
        self._hurried.clear()
