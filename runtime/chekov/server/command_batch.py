"""`POST /commands`: many commands as NDJSON, with one result line each, in the same order.

Commands to one instance are executed one after another, commands to different ones concurrently.
At most `WINDOW` lines are in progress or wait to be sent, which bounds the memory that a fast
sender or a slow reader can take. Lines wait for a place in the process, and large ones for room, as
long as it takes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Mapping
from contextlib import aclosing
from typing import Any, Final, NamedTuple

from aiohttp import web

from chekov.domain.definitions import definition_of, stream_of
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.messages import Event
from chekov.engine.commands.execution import Dispatched
from chekov.engine.failures import is_requested
from chekov.errors import ChekovError, Draining, InvalidCommand
from chekov.runtime import Runtime
from chekov.serialization.command_lines import CommandLine, decode_line
from chekov.server import headers, request_ids
from chekov.server.authentication.authenticator import principal
from chekov.server.commands import instance_of
from chekov.server.consistency import Wait, wait_of_line
from chekov.server.content import CONTENT_LIMITS, GrowingLine, chunks, lines
from chekov.server.gate import Gate
from chekov.server.lifecycle import Lifecycle
from chekov.server.permissions import Permissions
from chekov.server.problems import (
    MALFORMED,
    TOO_LARGE,
    UNSUPPORTED,
    RequestError,
    log_failure,
    problem_of,
)
from chekov.server.returning import RETURNS, Returned
from chekov.server.scheduling import Future, future_of
from chekov.store.port import Expected
from chekov.telemetry import context

WINDOW: Final = 256
_NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_WRITE_TIMEOUT: Final = 60.0
_MOST_LINES_PER_WRITE: Final = 64

_log: Final = logging.getLogger(__name__)


class CommandBatches:
    def __init__(self, runtime: Runtime, lifecycle: Lifecycle, gate: Gate, line_limit: int) -> None:
        self._runtime = runtime
        self._lifecycle = lifecycle
        self._line_limit = line_limit
        self._gate = gate
        self._consistency = runtime.engine.consistency
        self._permissions = Permissions(runtime.domain)

    async def post(self, request: web.Request) -> web.StreamResponse:
        _require_ndjson(request)
        content = chunks(request)
        response = web.StreamResponse(
            headers={"Content-Type": _NDJSON[0], **request_ids.of_answer()}
        )
        await response.prepare(request)
        results = _Results()
        async with asyncio.TaskGroup() as group:
            group.create_task(_write(response, results))
            growing = GrowingLine(request.app[CONTENT_LIMITS], self._line_limit)
            problem = await self._read(content, group, results, growing)
            if problem is not None:
                results.add(group.create_task(_completed(problem)))
                response.force_close()  # the rest of the content is not read
            results.end()
        return response

    async def _read(
        self,
        content: AsyncIterable[bytes],
        group: asyncio.TaskGroup,
        results: "_Results",
        growing: GrowingLine,
    ) -> bytes | None:
        """Start every line; return the problem that ends the batch before its end, if any."""
        latest: dict[str, asyncio.Task[Any]] = {}
        try:
            async with (
                self._lifecycle.until_drained(),
                aclosing(lines(content, self._line_limit, growing)) as received,
            ):
                async for line in received:
                    await results.window.acquire()
                    room = await growing.completed(len(line or b""))
                    task = self._start(line, group, latest)
                    task.add_done_callback(lambda _, room=room: room.leave())
                    results.add(task)
                return None
        except (ConnectionError, web.RequestPayloadError) as error:
            error.__traceback__ = None  # the connection keeps the error, and all that it leads to
            _log.info("a batch of commands ended early; the lines received are executed")
            return None
        except RequestError as error:
            return _problem(error)
        finally:
            growing.leave()
        return _problem(Draining())

    def _start(
        self,
        line: bytes | None,
        group: asyncio.TaskGroup,
        latest: dict[str, asyncio.Task[Any]],
    ) -> asyncio.Task[bytes]:
        """Start one line, to be executed after the previous one for the same instance."""
        try:
            decoded = self._decode(line)
            aggregate, identifier = instance_of(self._runtime, decoded.envelope.command)
        except BaseException as error:
            if is_requested(error, asyncio.current_task()):
                raise
            return group.create_task(_completed(_problem(error)))
        stream = stream_of(aggregate, identifier)
        executing = self._execute(decoded, latest.get(stream))
        if decoded.wait is None:
            task = latest[stream] = group.create_task(self._answer(decoded, executing))
            answer = task
        else:
            # The next line for the instance follows once it is executed, and waits for no handler.
            task = latest[stream] = group.create_task(executing)
            answer = group.create_task(self._consistent(decoded.wanted, decoded.wait, task))
        task.add_done_callback(
            lambda done: latest.pop(stream) if latest.get(stream) is done else None
        )
        return answer

    def _decode(self, line: bytes | None) -> "_Line":
        if line is None:
            raise RequestError(TOO_LARGE, f"The limit of a line is {self._line_limit} bytes.")
        try:
            read = decode_line(line)
        except InvalidCommand as error:
            members = {"path": error.path} if error.path else {}
            raise RequestError(MALFORMED, str(error), members) from error
        wanted = RETURNS[read.returned]
        envelope = CommandEnvelope.of(
            self._runtime.codec.decode_command(read.command, bytes(read.data)),
            command_id=read.id,
            correlation_id=read.correlation_id or context.correlation_id.get(),
            causation_id=read.causation_id,
            metadata=_metadata(read),
            principal=principal.get(),
            expected_version=_expected(read),
            with_state=wanted.state,
        )
        return _Line(envelope, wanted, future_of(read), wait_of_line(read, self._consistency))

    async def _execute(
        self,
        line: "_Line",
        before: asyncio.Task[Any] | None,
    ) -> Dispatched[Event] | bytes:
        """Execute a line after the one before it; bytes are its answer, such as a problem."""
        task = asyncio.current_task()
        if before is not None:
            await asyncio.wait((before,))
        await self._gate.enter(patient=True)
        try:
            if line.later is not None:
                return await self._schedule(line.envelope, line.later)
            return await self._runtime.execute(line.envelope)
        except BaseException as error:
            if is_requested(error, task):
                raise
            return _problem(error, definition_of(type(line.envelope.command)).name)
        finally:
            self._gate.leave()

    async def _answer(
        self, line: "_Line", executing: Awaitable[Dispatched[Event] | bytes]
    ) -> bytes:
        done = await executing
        return done if isinstance(done, bytes) else line.wanted.answer(done)

    async def _consistent(
        self, wanted: Returned, wait: Wait, executing: Awaitable[Dispatched[Event] | bytes]
    ) -> bytes:
        done = await executing
        if isinstance(done, bytes):
            return done
        try:
            answer, _ = await wait.answer(self._consistency, done, wanted)
        except ChekovError as error:
            return _problem(error)
        return answer

    async def _schedule(self, envelope: CommandEnvelope[Any], later: Future) -> bytes:
        return await later.schedule(
            self._runtime,
            self._permissions,
            envelope.command,
            command_id=envelope.command_id,
            correlation_id=envelope.correlation_id,
            causation_id=envelope.causation_id,
            metadata=envelope.metadata,
        )


class _Line(NamedTuple):
    """A line that can be executed, what it is answered with, when, and for whom it waits."""

    envelope: CommandEnvelope[Any]
    wanted: Returned
    later: Future | None
    wait: Wait | None


def _expected(line: CommandLine) -> int | None:
    version = line.expected_version
    return Expected.STREAM_EXISTS if version == "*" else version


def _metadata(line: CommandLine) -> Mapping[str, Any] | None:
    if line.metadata is None:
        return None
    try:
        return headers.checked_metadata(line.metadata)
    except ValueError as error:
        raise RequestError(MALFORMED, f"metadata: {error}", {"path": "$.metadata"}) from None


class _Results:
    """The result lines of commands in progress, in the order of the commands.

    Attributes:
        window: acquired before each command is started, released when its result is taken.
    """

    def __init__(self) -> None:
        self.window = asyncio.Semaphore(WINDOW)
        self._started: deque[asyncio.Task[bytes]] = deque()
        self._more = asyncio.Event()
        self._ended = False

    def add(self, task: asyncio.Task[bytes]) -> None:
        self._started.append(task)
        self._more.set()

    def end(self) -> None:
        """No further commands follow."""
        self._ended = True
        self._more.set()

    async def next(self) -> bytes | None:
        """The next result, or `None` after the last."""
        while not self._started:
            if self._ended:
                return None
            self._more.clear()
            await self._more.wait()
        result = await self._started.popleft()
        self.window.release()
        return result

    def next_is_done(self) -> bool:
        """Whether the next result is available without waiting."""
        return bool(self._started) and self._started[0].done()


async def _write(response: web.StreamResponse, results: _Results) -> None:
    """Send the results. If the client is gone, still wait for the commands in progress."""
    gone = False
    ready: list[bytes] = []
    while (result := await results.next()) is not None:
        ready.append(result)
        if len(ready) >= _MOST_LINES_PER_WRITE or not results.next_is_done():
            gone = gone or not await _sent(response, ready)
            ready.clear()


async def _sent(response: web.StreamResponse, ready: list[bytes]) -> bool:
    """Whether somebody still reads."""
    try:
        async with asyncio.timeout(_WRITE_TIMEOUT):
            await response.write(b"\n".join((*ready, b"")))
    except (ConnectionError, TimeoutError):
        return False
    return True


async def _completed(line: bytes) -> bytes:
    return line


def _problem(error: BaseException, command: str | None = None) -> bytes:
    problem = problem_of(error)
    log_failure(_log, "a command of a batch failed", problem, error, command=command)
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
