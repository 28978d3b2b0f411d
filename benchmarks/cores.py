"""Cores of their own for the two sides of a measurement where one always waits for the other.

With one operation in flight, the client sleeps while Postgres works and the other way round. On a
virtual machine the scheduler takes the core of the sleeping side for one that is lost, and wakes it
on the other's: with every message, or not at all, by chance. That moves such a rate by a quarter.
"""

import os
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def apart(client: int, server: int | None) -> Generator[None]:
    """Keep a process on the first core and another with its children on the rest.

    Does nothing where there is one core, no server of ours, or no way to ask for it.

    Args:
        client: a process, with all its threads.
        server: the main process of Postgres; what it starts meanwhile inherits its place.
    """
    if server is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        yield
        return
    servers = [server, *children(server)]
    _place([client], cores[:1])
    _place(servers, cores[1:])
    try:
        yield
    finally:
        _place([client, server, *children(server)], cores)


def _place(processes: Collection[int], cores: Collection[int]) -> None:
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
            # The name of a program, in brackets, may hold anything.
            parent = status.read_text().rpartition(")")[2].split()[1]
            if int(parent) == process:
                found.append(int(status.parent.name))
    return found
