"""`POST /commands`: many commands as NDJSON, answered line by line in the order they came.

Lines of one instance are executed one after the other, all others side by side. At most `WINDOW`
lines are at work or wait to be sent, so neither a fast sender nor a slow reader makes the process
hold more.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Final
from uuid import UUID

from aiohttp import StreamReader, web

from chekov.domain.definitions import stream_of
from chekov.domain.messages import Command
from chekov.errors import Draining, InvalidCommand
from chekov.runtime import Runtime
from chekov.serialization.codec import decode_line
from chekov.server import headers
from chekov.server.commands import answer, target
from chekov.server.lifecycle import Lifecycle
from chekov.server.problems import (
    INTERNAL,
    MALFORMED,
    TOO_LARGE,
    UNSUPPORTED,
    Problem,
    RequestError,
    problem_of,
)
from chekov.telemetry import context

WINDOW: Final = 256
_NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_LONGEST_STALL: Final = 60.0
_TOGETHER: Final = 64

_log: Final = logging.getLogger(__name__)


class Batches:
    """Answers batches of commands."""

    def __init__(self, runtime: Runtime, lifecycle: Lifecycle, line_limit: int) -> None:
        self._runtime = runtime
        self._lifecycle = lifecycle
        self._line_limit = line_limit

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The handler."""
        _require_ndjson(request)
        response = web.StreamResponse(
            headers={
                "Content-Type": _NDJSON[0],
                headers.CORRELATION_ID: str(context.correlation_id.get()),
            }
        )
        await response.prepare(request)
        answers = _Answers()
        async with asyncio.TaskGroup() as group:
            group.create_task(_write(response, answers))
            await self._read(request.content, group, answers)
        return response

    async def _read(
        self, content: StreamReader, group: asyncio.TaskGroup, answers: "_Answers"
    ) -> None:
        latest: dict[str, asyncio.Task[bytes]] = {}
        try:
            async with self._lifecycle.until_drained():
                async for line in lines(content.iter_any(), self._line_limit):
                    await answers.window.acquire()
                    answers.add(self._start(line, group, latest))
        except (ConnectionError, web.RequestPayloadError):
            _log.info("a batch of commands broke off; what came of it is executed")
        if self._lifecycle.phase == "draining" and not content.at_eof():
            answers.add(group.create_task(_answered(_problem(Draining()))))
        answers.end()

    def _start(
        self,
        line: bytes | None,
        group: asyncio.TaskGroup,
        latest: dict[str, asyncio.Task[bytes]],
    ) -> asyncio.Task[bytes]:
        """Begin with one line, behind the one before it that is for the same instance."""
        try:
            command, command_id = self._decode(line)
            aggregate, identifier = target(self._runtime, command)
        except Exception as error:  # noqa: BLE001
            return group.create_task(_answered(_problem(error)))
        stream = stream_of(aggregate, identifier)
        task = group.create_task(self._execute(command, command_id, latest.get(stream)))
        latest[stream] = task
        task.add_done_callback(
            lambda done: latest.pop(stream) if latest.get(stream) is done else None
        )
        return task

    def _decode(self, line: bytes | None) -> tuple[Command[Any], UUID | None]:
        if line is None:
            raise RequestError(TOO_LARGE, f"At most {self._line_limit} bytes a line are accepted.")
        name, data, command_id = decode_line(line)
        return self._runtime.codec.decode_command(name, data), command_id

    async def _execute(
        self,
        command: Command[Any],
        command_id: UUID | None,
        before: asyncio.Task[bytes] | None,
    ) -> bytes:
        if before is not None:
            await asyncio.wait((before,))
        try:
            dispatched = await self._runtime.dispatch(
                command,
                command_id=command_id,
                correlation_id=context.correlation_id.get(),
            )
        except Exception as error:  # noqa: BLE001
            return _problem(error)
        return answer(dispatched)


class _Answers:
    """The lines that were begun, in the order they came.

    Attributes:
        window: to be acquired before a further one is begun.
    """

    def __init__(self) -> None:
        self.window = asyncio.Semaphore(WINDOW)
        self._begun: deque[asyncio.Task[bytes]] = deque()
        self._more = asyncio.Event()
        self._ended = False

    def add(self, task: asyncio.Task[bytes]) -> None:
        """One more line was begun."""
        self._begun.append(task)
        self._more.set()

    def end(self) -> None:
        """There are no further ones."""
        self._ended = True
        self._more.set()

    async def next(self) -> bytes | None:
        """The next answer, `None` at the end."""
        while not self._begun:
            if self._ended:
                return None
            self._more.clear()
            await self._more.wait()
        answered = await self._begun.popleft()
        self.window.release()
        return answered

    def next_is_done(self) -> bool:
        """Whether the next answer can be had without waiting."""
        return bool(self._begun) and self._begun[0].done()


async def _write(response: web.StreamResponse, answers: _Answers) -> None:
    """Send the answers; when the reader is gone, still wait for what was begun."""
    gone = False
    ready: list[bytes] = []
    while (answered := await answers.next()) is not None:
        ready.append(answered)
        if len(ready) >= _TOGETHER or not answers.next_is_done():
            gone = gone or not await _sent(response, ready)
            ready.clear()


async def lines(chunks: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes | None]:
    """The lines of a stream that are not blank; `None` for each that is longer than `limit`."""
    held = b""
    too_long = False
    async for chunk in chunks:
        *whole, rest = (held + chunk).split(b"\n")
        for line in whole:
            if too_long or len(line) > limit:
                yield None
            elif line.strip():
                yield line
            too_long = False
        held = rest
        if len(held) > limit:
            held, too_long = b"", True
    if too_long or len(held) > limit:
        yield None
    elif held.strip():
        yield held


async def _sent(response: web.StreamResponse, ready: list[bytes]) -> bool:
    """Whether somebody still reads."""
    try:
        async with asyncio.timeout(_LONGEST_STALL):
            await response.write(b"\n".join((*ready, b"")))
    except (ConnectionError, TimeoutError):
        return False
    return True


async def _answered(line: bytes) -> bytes:
    return line


def _problem(error: Exception) -> bytes:
    problem = problem_of(error)
    if isinstance(error, InvalidCommand) and not error.path:
        problem = Problem(MALFORMED, str(error))
    if problem.kind is INTERNAL:
        _log.error("a command of a batch failed", exc_info=error)
    return problem.document()


def _require_ndjson(request: web.Request) -> None:
    kind = request.headers.get("Content-Type", _NDJSON[0]).partition(";")[0].strip().lower()
    if kind not in _NDJSON:
        raise RequestError(
            UNSUPPORTED,
            f"Content-Type is {kind!r}, expected {_NDJSON[0]}: one command a line, as "
            '{"command": …, "data": …}; a single command goes to /commands/<Command>',
            headers={"Accept-Post": _NDJSON[0]},
        )
