"""Many commands over one connection, as NDJSON: each is executed once, in order per instance.

Lines that were not answered when a connection ends are sent again on the next one, under the ids
that they had.
"""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Coroutine,
    Iterable,
    Mapping,
)
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, NamedTuple
from uuid import UUID

import aiohttp

from chekov.client.commands import AnyCommand, Dispatch, check_handled, result_of
from chekov.client.problems import error_of, problem_in
from chekov.client.transport import (
    CONNECTION_ERRORS,
    Attempts,
    Call,
    Failure,
    Transport,
    is_refusal,
    refused,
)
from chekov.client.values import Outcome
from chekov.domain.domain import Domain
from chekov.errors import ChekovError, ConsistencyTimeout, HandlerFailed
from chekov.serialization.answers import CommandDocument, MalformedAnswer, read_answer
from chekov.serialization.codec import Codec
from chekov.serialization.json import from_json
from chekov.uuid7 import uuid7

Commands = Iterable[AnyCommand | Dispatch] | AsyncIterable[AnyCommand | Dispatch]

_WINDOW: Final = 512
"""Commands that are sent or waiting, without an answer."""

_PATIENCE: Final = 60.0
"""Seconds without an answer, while a command waits for one, after which a connection has failed."""

_ENDS: Final = frozenset({"draining", "request-timeout"})
"""Problems with which a process ends a batch: the line may go to another one."""


class _Line(NamedTuple):
    command: AnyCommand
    command_id: UUID
    encoded: bytes
    wait: int


class Batch:
    """A batch on its way.

    Args:
        transport: what it is sent by.
        headers: of each request.
        commands: what it consists of; they are taken as there is room.
        domain: of the client.
        codec: of the domain.
    """

    def __init__(
        self,
        transport: Transport,
        headers: Mapping[str, str],
        commands: Commands,
        domain: Domain | None,
        codec: Codec | None,
    ) -> None:
        self._transport = transport
        self._call = Call(
            "POST", ("commands",), headers={**headers, "Content-Type": "application/x-ndjson"}
        )
        self._commands = commands
        self._domain, self._codec = domain, codec
        self._room = asyncio.Semaphore(_WINDOW)
        self._changed = asyncio.Event()
        self._lines: deque[_Line] = deque()
        self._answered = 0
        self._ended = False
        self._connections = 0

    async def outcomes(self) -> AsyncGenerator[Outcome]:
        """What became of each command, in their order; see `Client.dispatch_all`."""
        attempts = Attempts(self._transport.timeout)
        answered = True
        async with _running(self._take()) as taking:
            while await self._waiting():
                if answered:
                    attempts.begin()  # only now: the next command may have come late
                attempts.made += 1
                answered, failure = False, None
                async with aclosing(self._exchange(attempts)) as exchange:
                    async for outcome in exchange:
                        if isinstance(outcome, Failure):
                            failure = outcome
                            break
                        answered = True
                        yield outcome
                if answered:
                    attempts.begin()  # so may the commands of a connection
                if failure is None or (failure.again and not self._lines):
                    continue  # nothing is to be sent again
                if not (failure.again and await attempts.wait(failure.wait)):
                    raise failure.error(attempts)
            await taking  # raises what the commands' iterator raised

    async def _take(self) -> None:
        """Take commands while there is room."""
        try:
            async for command in _each(self._commands):
                await self._room.acquire()
                sent = command if isinstance(command, Dispatch) else Dispatch(command)
                id_ = sent.command_id or uuid7()
                wait = sent.wait() or 0
                self._lines.append(_Line(sent.command, id_, sent.line(id_), wait))
                self._changed.set()
        finally:
            self._ended = True
            self._changed.set()

    async def _waiting(self) -> bool:
        """Whether there is a line to send, or none will come."""
        while not self._lines and not self._ended:
            await self._change()
        return bool(self._lines)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _exchange(self, attempts: Attempts) -> AsyncGenerator[Outcome | Failure]:
        """Send all lines over one connection; a failure is the last that is yielded."""
        try:
            async with self._transport.response(self._call, self._content()) as response:
                try:
                    if is_refusal(response):
                        yield refused(self._call, attempts, response, await response.read())
                        return
                    async for answer in self._answers(response):
                        outcome = self._outcome(answer, str(response.url))
                        yield outcome
                        if isinstance(outcome, Failure):
                            return
                    if self._lines:
                        attempts.uncertain = True
                        yield Failure(str(response.url), "the response ended", again=True)
                finally:
                    self._connections += 1  # its content ends, which is waited for
                    self._changed.set()
        except CONNECTION_ERRORS as error:
            yield self._transport.failure(self._call, attempts, error)

    async def _answers(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The lines of the response."""
        held = b""
        while chunk := await self._chunk(response):
            *answers, held = (held + chunk).split(b"\n")
            for answer in answers:
                yield answer

    async def _content(self) -> AsyncGenerator[bytes]:
        """The lines that are not answered yet, then new ones, as long as the connection is used."""
        following, connection = self._answered, self._connections
        while connection == self._connections:
            sent = following - self._answered
            if sent < len(self._lines):
                lines = list(self._lines)[sent:]
                following += len(lines)
                yield b"".join(line.encoded for line in lines)
            elif self._ended:
                return
            else:
                await self._change()

    async def _chunk(self, response: aiohttp.ClientResponse) -> bytes:
        """The next part of the response; empty at the end.

        Raises:
            TimeoutError: a command has waited for its answer for too long.
        """
        while True:
            waited = bool(self._lines)
            try:
                async with asyncio.timeout(_PATIENCE + (self._lines[0].wait if waited else 0)):
                    return await response.content.readany()
            except TimeoutError:
                if waited:
                    raise

    def _outcome(self, answer: bytes, url: str) -> Outcome | Failure:
        """What became of the first line that was not answered yet."""
        try:
            problem = problem_in(from_json(answer))
            if problem is not None and problem.slug in _ENDS:
                return Failure(url, problem.detail, again=True, problem=error_of(problem))
            line = self._lines[0]
            if problem is not None:
                error = error_of(problem, command_id=line.command_id)
                outcome = Outcome(line.command, line.command_id, None, error)
            else:
                document = read_answer(answer, CommandDocument)
                result = result_of(document, line.command, self._domain, self._codec)
                outcome = Outcome(line.command, line.command_id, result, _late(document))
        except (IndexError, MalformedAnswer, ValueError) as error:
            return Failure(url, f"the answer cannot be read: {error}", again=False, status=200)
        self._lines.popleft()
        self._answered += 1
        self._room.release()
        return outcome


def _late(document: CommandDocument) -> ChekovError | None:
    """Why a command that is executed is not handled as it was to be."""
    try:
        check_handled(document)
    except (ConsistencyTimeout, HandlerFailed) as error:
        return error
    return None


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncGenerator[asyncio.Task[None]]:
    """A task that ends with the block.

    A task group would put what leaves an async generator, also `GeneratorExit`, into a group.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _each(commands: Commands) -> AsyncIterator[AnyCommand | Dispatch]:
    if isinstance(commands, AsyncIterable):
        async for command in commands:
            yield command
    else:
        for command in commands:
            yield command
