"""UmaDB by its own client, in an environment of its own and driven with threads.

It has no streams: the name of one is a tag, and an expected version becomes the condition that
nothing with the tag was stored since the last append. It is not installed where this file is
type-checked, hence the import by name.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measure import Load, Rate
from benchmarks.peers.threads import measure_threads
from benchmarks.peers.wire import Checked, Measured, serve
from benchmarks.peers.work import MOST_FAULTS, NOTE, Appends, Ledger

umadb: Any = import_module("umadb")

ADDED = "Added"
VERSION = "version"
START_SECONDS = 30.0

Tags = Callable[[str], Sequence[str]]


class UmaDb:
    """A client that all threads share.

    Args:
        url: of the server.
        tags: those of the events of a stream, of which its next append depends on each.
    """

    def __init__(self, url: str, tags: Tags) -> None:
        self._client = umadb.Client(url)
        self._tags = tags
        self._data = json.dumps({"amount": 42, "note": NOTE}).encode()
        self._positions: dict[str, int] = {}
        self._ledger = Ledger()

    async def append(self, load: Load) -> Measured:
        names = Appends(load)
        acknowledged = self._ledger.acknowledged

        def one(worker: int) -> None:
            stream = names.next(worker)
            self._insert(stream, acknowledged[stream], load.events)
            acknowledged[stream] += load.events

        return await measure_threads(load, one)

    def _insert(self, stream: str, version: int, events: int) -> None:
        tags = self._tags(stream)
        query = umadb.Query([umadb.QueryItem([ADDED], [tag]) for tag in tags])
        self._positions[stream] = self._client.append(
            [
                umadb.Event(ADDED, self._data, tags, metadata={VERSION: str(version + number)})
                for number in range(1, events + 1)
            ],
            umadb.AppendCondition(query, self._positions.get(stream)),
        )

    async def catch_up(self, seconds: float) -> Measured:
        return await asyncio.to_thread(self._catch_up, seconds)

    def _catch_up(self, seconds: float) -> Measured:
        started = time.perf_counter()
        count = 0
        for item in self._client.read():
            json.loads(item.event.data)
            count += 1
            if time.perf_counter() - started > seconds:
                break
        rate = Rate(count, time.perf_counter() - started)
        missed = self._ledger.total - count
        whole = missed and rate.seconds <= seconds
        return Measured(rate, [f"{missed} events were not read"] if whole else ())

    async def check(self) -> Checked:
        return await asyncio.to_thread(self._check)

    def _check(self) -> Checked:
        ledger = self._ledger
        rows = (
            (
                item.position,
                item.event.tags[0].partition(":")[2],
                int(item.event.metadata[VERSION]),
            )
            for item in self._client.read(start=ledger.position + 1)
        )
        faults = [*ledger.check(rows, contiguous=True), *ledger.missing()]
        return Checked(ledger.stored, ledger.total, faults[:MOST_FAULTS])

    def acknowledged(self) -> Mapping[str, int]:
        return self._ledger.acknowledged

    def merge(self, streams: Mapping[str, int]) -> None:
        self._ledger.merge(streams)


@contextmanager
def server() -> Generator[str]:
    """Run UmaDB on a free port and an empty database; yields its URL.

    Raises:
        TimeoutError: it does not accept connections.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = Path(sys.executable).with_name("umadb")
        process = subprocess.Popen(
            [command, "--listen", f"127.0.0.1:{port}", "--db-path", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise TimeoutError(f"UmaDB does not listen on port {port}") from None
            time.sleep(0.05)
        else:
            return


def of_stream(stream: str) -> Sequence[str]:
    """What stands for the stream."""
    return [f"stream:{stream}"]


def of_two(stream: str) -> Sequence[str]:
    """Two tags, as the others that measure conditions have."""
    return [f"course:{stream}", f"student:{stream}"]


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--conditions", action="store_true")
    given = parser.parse_args()
    with server() as url:
        await serve(UmaDb(url, of_two if given.conditions else of_stream))


if __name__ == "__main__":
    asyncio.run(main())
