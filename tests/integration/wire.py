"""A wire to Postgres that can be bad in every way a network is."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

Direction: TypeAlias = Literal["questions", "answers"]

_APPLICATION: Final = re.compile(rb"application_name\0([^\0]*)\0")


@dataclass(eq=False)
class _Link:
    """One connection: what its client calls itself, and how many answers it has been given."""

    application: str = ""
    answers: int = 0


class Wire:
    """Carries bytes both ways, as well as it is told to.

    Attributes:
        swallowing: a direction whose bytes vanish while both ends believe in each other.
        only: the application name of the connections that this concerns; all, if it is empty.
        cut_off: vanishes from the end of a question, as from a sender that stops in its middle.
        most_answers: how many answers a new connection is given before the rest is swallowed.
        delay: seconds that each piece takes.
        cut: the chance that a piece of an answer is torn in its middle, and the connection with it.
        torn: how often that happened.
        swallowed: how many bytes vanished.
    """

    def __init__(self, dsn: str, seed: int = 0) -> None:
        self._parts = urlsplit(dsn)
        self._choice = Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self.swallowing: Direction | None = None
        self.only = ""
        self.cut_off = b""
        self.most_answers: int | None = None
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
        try:
            answers, questions = await asyncio.open_connection(
                self._parts.hostname, self._parts.port
            )
        except OSError:
            writer.close()
            return
        self._open |= {writer, questions}
        link = _Link()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry("questions", link, reader, questions))
            group.create_task(self._carry("answers", link, answers, writer))
        self._open -= {writer, questions}

    async def _carry(
        self,
        direction: Direction,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                if direction == "questions" and (found := _APPLICATION.search(piece)):
                    link.application = found[1].decode()
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self._swallows(direction, link):
                    self.swallowed += len(piece)
                    continue
                if direction == "questions" and self.cut_off and piece.endswith(self.cut_off):
                    piece = piece.removesuffix(self.cut_off)
                    self.swallowed += len(self.cut_off)
                link.answers += direction == "answers"
                if direction == "answers" and self._choice.random() < self.cut:
                    self.torn += 1
                    writer.write(piece[: self._choice.randrange(len(piece))])
                    break
                writer.write(piece)
        writer.close()

    def _swallows(self, direction: Direction, link: _Link) -> bool:
        if direction == "answers" and link.answers == self.most_answers:
            return True
        return direction == self.swallowing and self.only in ("", link.application)
