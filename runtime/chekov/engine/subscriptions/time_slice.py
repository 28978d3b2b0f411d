"""Sharing the event loop: who handles events without awaiting anything pauses now and then."""

import asyncio
import time
from typing import Final

_MOST_SECONDS: Final = 0.005
"""For how long a subscription may keep the event loop."""

clock: Final = time.monotonic


class TimeSlice:
    """What is left of the time for which a subscription may keep the event loop.

    Ten subscriptions that caught up kept it for 200 ms at a time: claims ran out before they were
    renewed, and commands waited as long.

    Attributes:
        ends_at: when `pause` is due, by `clock`; looked at where a call would cost too much.
    """

    def __init__(self) -> None:
        self.ends_at = clock() + _MOST_SECONDS

    async def pause(self) -> None:
        """Let everything else in the process run once, and begin anew."""
        await asyncio.sleep(0)
        self.ends_at = clock() + _MOST_SECONDS
