"""The first stage of the pipeline: how many commands a process works on at a time."""

import asyncio

from chekov.errors import Draining, Overloaded


class Admission:
    """Counts the commands in flight, and refuses more than `max_in_flight`.

    Attributes:
        in_flight: the commands that entered and did not leave yet.
    """

    def __init__(self, max_in_flight: int) -> None:
        self.in_flight = 0
        self._max_in_flight = max_in_flight
        self._draining = False
        self._idle = asyncio.Event()

    def enter(self) -> None:
        """Admit a command.

        Raises:
            Draining: `close` was called.
            Overloaded: `max_in_flight` commands are in flight.
        """
        if self._draining:
            raise Draining("this process is shutting down; send the command again")
        if self.in_flight >= self._max_in_flight:
            raise Overloaded(f"{self.in_flight} commands are in flight already; try again later")
        self.in_flight += 1

    def leave(self) -> None:
        """Count a command that is answered."""
        self.in_flight -= 1
        if self._draining and not self.in_flight:
            self._idle.set()

    def close(self) -> None:
        """Refuse further commands."""
        self._draining = True

    async def drain(self) -> None:
        """Refuse further commands, and return when those in flight are answered."""
        self.close()
        if self.in_flight:
            await self._idle.wait()
