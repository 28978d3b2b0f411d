"""`chekov dispatch-all`: have a service execute many commands, one JSON object a line."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, cast

from chekov.cli.calls import result_members
from chekov.cli.output import complain, show, show_json
from chekov.cli.service import required_api
from chekov.client import Client, Dispatch, Outcome, PlainCommand
from chekov.errors import ConsistencyTimeout, HandlerFailed, InvalidCommand
from chekov.serialization.command_lines import decode_line
from chekov.serialization.json import from_json
from chekov.store.port import Expected

_FAILED: Final = 1
_WRONG_USAGE: Final = 2
_CHUNK: Final = 1 << 16
_STANDARD: Final = "-"
_LATER: Final = ("at", "after", "cron", "timezone", "missed")


class _BadLine(ValueError):
    """A line that cannot be sent; says which, and why."""


def dispatch_all(arguments: Namespace) -> int:
    """Have the commands of a file executed; those before a line that cannot be read, too."""
    service = required_api(arguments)

    async def ask(file: BufferedReader) -> int:
        refused = 0
        async with (
            service.client(arguments.timeout) as client,
            aclosing(_outcomes(client, file)) as outcomes,
        ):
            async for outcome in outcomes:
                refused += outcome.result is None
                _show(outcome, arguments)
        return refused

    try:
        with _opened(arguments.file) as file:
            refused = asyncio.run(ask(file))
    except (_BadLine, OSError) as error:
        complain(str(error))
        return _WRONG_USAGE
    if refused:
        complain(f"{refused} commands were refused")
    return _FAILED if refused else 0


async def _outcomes(client: Client, file: BufferedReader) -> AsyncGenerator[Outcome]:
    """What becomes of the lines, up to the first that cannot be sent, which is raised then."""
    bad: list[_BadLine] = []

    async def readable() -> AsyncGenerator[Dispatch]:
        try:
            async for number, line in _lines(file):
                if line.strip():
                    yield _command(number, line)
        except _BadLine as error:
            bad.append(error)

    async with aclosing(client.dispatch_all(readable())) as outcomes:
        async for outcome in outcomes:
            yield outcome
    if bad:
        raise bad[0]


async def _lines(file: BufferedReader) -> AsyncGenerator[tuple[int, bytes]]:
    """The lines with their numbers, as they arrive: standard input may be a person's, or a pipe."""
    held, number = b"", 0
    while chunk := await asyncio.to_thread(file.read1, _CHUNK):
        *lines, held = (held + chunk).split(b"\n")
        for line in lines:
            number += 1
            yield number, line
    yield number + 1, held


def _command(number: int, text: bytes) -> Dispatch:
    try:
        line = decode_line(text)
        fields = from_json(bytes(line.data))
    except (InvalidCommand, ValueError) as error:
        raise _BadLine(f"line {number}: {error}") from None
    for name in _LATER:
        if getattr(line, name) is not None:
            raise _BadLine(f"line {number}: `chekov dispatch` schedules a command, with --{name}")
    if not isinstance(fields, dict):
        raise _BadLine(f'line {number}: data is not a JSON object such as {{"amount": 25}}')
    if line.handlers is not None and line.wait is None:
        raise _BadLine(f"line {number}: handlers is for wait, which is not given")
    version, handlers = line.expected_version, line.handlers
    strong = "strong" if handlers is None else handlers
    return Dispatch(
        PlainCommand(line.command, cast("dict[str, Any]", fields)),
        command_id=line.id,
        correlation_id=line.correlation_id,
        causation_id=line.causation_id,
        metadata=line.metadata,
        expected_version=Expected.STREAM_EXISTS if version == "*" else version,
        consistency="eventual" if line.wait is None else strong,
        consistency_timeout=float(line.wait or 0),
        returns=line.returned,
    )


def _show(outcome: Outcome, arguments: Namespace) -> None:
    result, error = outcome.result, outcome.error
    if arguments.output == "json":
        failed = {} if error is None else {"error": str(error), "kind": type(error).__name__}
        members = {"command_id": outcome.command_id} if result is None else result_members(result)
        show_json({**members, **failed})
        return
    if result is not None:
        show(f"{result.stream} is at version {result.version}")
    if isinstance(error, ConsistencyTimeout | HandlerFailed):
        complain(f"{outcome.command_id}: {error}")
    elif error is not None:
        complain(f"{outcome.command_id} was refused: {error}")


@contextmanager
def _opened(name: str) -> Generator[BufferedReader]:
    if name == _STANDARD:
        yield cast("BufferedReader", sys.stdin.buffer)
        return
    with Path(name).open("rb") as file:
        yield file
