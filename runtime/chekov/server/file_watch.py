"""Reads files again once they change, as a mounted Secret does when it is updated.

Files are compared from time to time: a Secret is updated by turning a symbolic link, of which
notifications about its files say nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_INTERVAL_SECONDS: Final = 5.0

_log: Final = logging.getLogger(__name__)

_Fingerprint = Sequence[tuple[str, int, int, int]]


class FileWatch:
    """Calls a function after files changed.

    Args:
        interval: seconds between two looks.
    """

    def __init__(self, interval: float = _INTERVAL_SECONDS) -> None:
        self._interval = interval
        self._watched: list[_Watched] = []

    def add(self, paths: Sequence[Path], reload: Callable[[], None]) -> None:
        """Call `reload` after files, or files in folders, differ from now.

        What it raises is logged, and does not end the watch: it is called again at each look, until
        it succeeds or the files are as they were.
        """
        self._watched.append(_Watched(paths, reload))

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            for watched in self._watched:
                watched.look()


class _Watched:
    def __init__(self, paths: Sequence[Path], reload: Callable[[], None]) -> None:
        self._paths = paths
        self._names = ", ".join(map(str, paths))
        self._reload = reload
        self._seen = self._fingerprint()
        self._failed: _Fingerprint | None = None
        self._readable = True

    def look(self) -> None:
        try:
            # Taken before the files are read: what changes meanwhile is read the next time.
            found = self._fingerprint()
        except OSError:
            if self._readable:
                _log.exception("%s cannot be looked at; what was read stays in use", self._names)
            self._readable = False
            return
        self._readable = True
        if found != self._seen:
            self._read(found)

    def _read(self, found: _Fingerprint) -> None:
        try:
            self._reload()
        except Exception:  # noqa: BLE001 -- no file may end the watch of the others
            # Tried again at the next look, since the cause may lie outside the files.
            if found != self._failed:
                _log.exception(
                    "%s changed and cannot be used; what was read before stays in use", self._names
                )
            self._failed = found
        else:
            self._seen, self._failed = found, None
            _log.info("%s changed and was read again", self._names)

    def _fingerprint(self) -> _Fingerprint:
        return [mark for path in self._paths for file in files_at(path) for mark in _mark(file)]


def files_at(path: Path) -> Sequence[Path]:
    """A file, or the files in a folder by name without hidden ones; none if nothing is there.

    Raises:
        OSError: the folder cannot be read.
    """
    if not path.is_dir():
        return [path] if path.exists() else []
    # In a mounted Secret, the hidden folders hold its present and its former version.
    return sorted(
        item for item in path.iterdir() if not item.name.startswith(".") and item.is_file()
    )


def _mark(file: Path) -> _Fingerprint:
    try:
        found = file.stat()
    except OSError:
        return []
    return [(str(file), found.st_mtime_ns, found.st_size, found.st_ino)]
