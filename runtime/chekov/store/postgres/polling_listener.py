"""How a process hears of changes behind a pooler, which does not allow LISTEN."""

import asyncio
import time
from typing import Any, Final

from chekov.store.postgres.listener import ANSWER_SECONDS, Listener

_POLL_SECONDS: Final = 0.1
_SUSPECT_SECONDS: Final = 1.0


class PollingListener(Listener):
    """Polls for events ten times a second, and counts a change of everything else once a second.

    What this process appends itself reaches the tail at once, as always. It cannot tell whether
    there are other processes, so it is never alone.
    """

    async def _listen(self) -> None:
        servers = self._pool.servers
        connection = await self._pool.connect(self._application)
        generation = servers.generation
        try:
            suspected = 0.0
            while generation == servers.generation:
                question = self._log.ask()
                end: Any = await connection.fetchrow(
                    self._statements["log"], question.anchor.position, timeout=ANSWER_SECONDS
                )
                self._learn(question, *end)
                self._heard()
                if time.monotonic() - suspected >= _SUSPECT_SECONDS:
                    suspected = time.monotonic()
                    self._suspect()
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            connection.terminate()
