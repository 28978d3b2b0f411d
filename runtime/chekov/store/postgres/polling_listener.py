"""How this process learns of events behind a pooler, which lets nobody listen."""

import asyncio
import time
from typing import Final

from chekov.store.postgres.connection_options import connect
from chekov.store.postgres.listener import ANSWER_SECONDS, Listener

_LOOK_SECONDS: Final = 0.1
_SUSPECT_SECONDS: Final = 1.0


class PollingListener(Listener):
    """Looks ten times a second for events, and once a second wakes who waits for anything else.

    What this process appends itself it hears of at once, as always. It cannot tell whether there
    are other processes, so it never is alone.
    """

    async def _listen(self) -> None:
        connection = await connect(self._access, application=self._application)
        try:
            suspected = 0.0
            while True:
                self.heard(
                    await connection.fetchval(self._statements["head"], timeout=ANSWER_SECONDS)
                )
                if time.monotonic() - suspected >= _SUSPECT_SECONDS:
                    suspected = time.monotonic()
                    self._suspect()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            connection.terminate()
