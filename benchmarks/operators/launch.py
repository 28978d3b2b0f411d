"""Processes that run for the time of a block."""

import asyncio
import os
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_ROOT: Final = Path(__file__).parents[2]
_STOPPING_SECONDS: Final = 30.0
_SHOWN: Final = 2000


@asynccontextmanager
async def started(
    log: Path, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Process]:
    """Run a program until the block ends; what it prints is in a file.

    An error of the block has the end of that file as a note.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=_ROOT,
            env={**os.environ, **(environment or {})},
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    except Exception as error:
        error.add_note(f"{log.name}: {_end(log)}")
        raise
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    """Ask a process to end, and kill it if it does not."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOPPING_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _end(log: Path) -> str:
    return log.read_text()[-_SHOWN:]


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        return int(free.getsockname()[1])
