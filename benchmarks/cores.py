"""Separate cores for the two sides of a measurement in which one always waits for the other.

With one operation in flight, the client sleeps while Postgres works and vice versa. A virtual
machine's scheduler then takes the sleeping side's core for an idle one and migrates the other side
to it, on every message or never, by chance. That moves such a rate by a quarter.
"""

import os
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def apart(clients: Collection[int], server: int | None) -> Generator[None]:
    """Pin clients to the first core, and the server with its children to the others.

    Does nothing on a single core, without a server, or where the system cannot pin processes.

    Args:
        clients: process ids; all threads of these are pinned.
        server: the main process of Postgres; children that it starts meanwhile inherit its cores.
    """
    if server is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        yield
        return
    _pin(clients, cores[:1])
    _pin([server, *children(server)], cores[1:])
    try:
        yield
    finally:
        _pin([*clients, server, *children(server)], cores)


def _pin(processes: Collection[int], cores: Collection[int]) -> None:
    for process in processes:
        for thread in _threads(process):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)


def _threads(process: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(task.name) for task in Path(f"/proc/{process}/task").iterdir()]
    return []


def children(process: int) -> list[int]:
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            # The program's name stands in brackets and may contain spaces and brackets itself.
            parent = status.read_text().rpartition(")")[2].split()[1]
            if int(parent) == process:
                found.append(int(status.parent.name))
    return found
