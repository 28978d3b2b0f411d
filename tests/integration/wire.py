"""A wire to Postgres that can be bad in every way a network is."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Literal
from urllib.parse import urlsplit


class Wire:
    """Carries bytes both ways, as well as it is told to.

    Attributes:
        swallowing: a direction whose bytes vanish while both ends believe in each other.
        delay: seconds that each piece takes.
        cut: the chance that a piece of an answer is torn in its middle, and the connection with it.
        torn: how often that happened.
        swallowed: how many bytes vanished.
    """

    def __init__(self, dsn: str, seed: int = 0) -> None:
        self._parts = urlsplit(dsn)
        self._choice = Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self.swallowing: Literal["questions", "answers"] | None = None
        self.delay = 0.0
        self.cut = 0.0
        self.torn = 0
        self.swallowed = 0

    def lead_to(self, dsn: str) -> None:
        """Carry new connections to another server; those that are open stay where they are."""
        self._parts = urlsplit(dsn)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        """Where to connect instead."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        user = self._parts.netloc.rpartition("@")[0]
        port = server.sockets[0].getsockname()[1]
        try:
            yield self._parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        finally:
            server.close()
            for writer in self._open:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        self._open |= {writer, questions}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry("questions", reader, questions))
            group.create_task(self._carry("answers", answers, writer))
        self._open -= {writer, questions}

    async def _carry(
        self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if direction == self.swallowing:
                    self.swallowed += len(piece)
                    continue
                if direction == "answers" and self._choice.random() < self.cut:
                    self.torn += 1
                    writer.write(piece[: self._choice.randrange(len(piece))])
                    break
                writer.write(piece)
        writer.close()
