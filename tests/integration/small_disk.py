"""Room for a Postgres that runs out, and is given again.

Where this process may mount, that is a file system of its own: its end is the real one. Everywhere
else it is the largest size that the server's processes may give a file.
"""

import ctypes
import mmap
import os
import resource
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

MEGABYTE = 1024 * 1024
_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Room(Protocol):
    """Where a server lives."""

    folder: Path

    def fill(self) -> None:
        """Leave nothing."""
        ...

    def free(self) -> None:
        """Give it again."""
        ...


class FileSystem:
    """A file system in memory; a file of ours takes what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filling = folder / "filling"

    def fill(self) -> None:
        end = 0
        with self._filling.open("wb") as file:
            # By parts, since the server takes room meanwhile.
            for size in (MEGABYTE, mmap.PAGESIZE):
                with suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), end, size)
                        end += size

    def free(self) -> None:
        self._filling.unlink(missing_ok=True)


class Quota:
    """A limit for files, of the server's process and of its children."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        # What the write-ahead log has is used again; its files are of this size.
        self._limit(16 * MEGABYTE)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        server = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        with _same_user(self.folder / "data"):
            for process in (server, *_children(server)):
                # One that has just ended needs no limit.
                with suppress(ProcessLookupError):
                    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def _same_user(path: Path) -> Generator[None]:
    """Be the owner of a folder, who alone may change the limits of what runs there."""
    owner = path.stat()
    groups, users = os.getresgid(), os.getresuid()
    os.setresgid(owner.st_gid, owner.st_gid, groups[2])
    os.setresuid(owner.st_uid, owner.st_uid, users[2])
    try:
        yield
    finally:
        os.setresuid(*users)
        os.setresgid(*groups)


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/status"):
        # A process may end while we look at it.
        with suppress(OSError):
            if f"PPid:\t{parent}\n" in status.read_text():
                found.append(int(status.parent.name))
    return found


@contextmanager
def small_disk(megabytes: int = 100) -> Generator[Room]:
    """A file system of this size, or where none may be mounted a quota."""
    with tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        if _libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, f"size={megabytes}m".encode()):
            yield Quota(Path(folder))
            return
        try:
            yield FileSystem(Path(folder))
        finally:
            _libc.umount2(folder.encode(), _DETACH)


@contextmanager
def quota() -> Generator[Room]:
    """No file larger than 16 MB."""
    with tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        yield Quota(Path(folder))
