"""Many processes that write to one store, and followers of it."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from chekov import Runtime
from chekov.domain.failure import Retry
from chekov.errors import StoreError
from chekov.store.port import RecordedEvent
from chekov.store.postgres import PostgresStore
from chekov.testing.history import Memory, check, check_checkpoints, check_followed
from tests.integration.engine_domain import Totals, counting
from tests.integration.store_ledger import remembered, stored
from tests.unit.engine.counter_domain import Seen
from tests.waiting import until

ROOT = Path(__file__).parents[2]
LEASE = 1.0


class Processes:
    """The writer processes of a test."""

    def __init__(self, dsn: str, folder: Path, seed: int) -> None:
        self.dsn = dsn
        self.seed = seed
        self._folder = folder
        self._children: list[asyncio.subprocess.Process] = []

    @property
    def ledgers(self) -> list[Path]:
        return sorted(self._folder.glob("ledger-*"))

    async def start(self) -> None:
        """One more."""
        number = len(self._children)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.store_writer",
            self.dsn,
            str(self._folder / f"ledger-{number}"),
            str(number),
            str(self.seed),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
        )
        self._children.append(child)

    async def kill(self, number: int) -> None:
        """Let one die at once."""
        self._children[number].kill()
        await self._children[number].wait()

    async def reaches(self, count: int, seconds: float = 60) -> None:
        """Wait until so many more calls are acknowledged."""
        target = stored(self.ledgers) + count
        await until(lambda: stored(self.ledgers) >= target, seconds)

    async def stop(self) -> list[int]:
        """Let them finish what they do; how they ended."""
        for child in self._children:
            assert child.stdin
            child.stdin.close()
        return [await child.wait() for child in self._children]

    def end(self) -> None:
        for child in self._children:
            if child.returncode is None:
                child.kill()


@asynccontextmanager
async def writer_processes(
    dsn: str, folder: Path, *, writers: int, seed: int
) -> AsyncGenerator[Processes]:
    """Have processes write; they are killed at the end unless they were stopped before."""
    print(f"seed {seed}")  # noqa: T201 shown when the test fails
    started = Processes(dsn, folder, seed)
    try:
        for _ in range(writers):
            await started.start()
        yield started
    finally:
        started.end()


class Followers:
    """A bare follower, and two runtimes with a handler and a projection, as a test sees them."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.seen: list[RecordedEvent] = []
        self.handlers = Seen(), Seen()
        self.moments: dict[str, list[tuple[int, int]]] = {}

    async def follow(self, store: PostgresStore) -> None:
        """Each event once, by what is handed over and by reading."""
        while True:
            after = len(self.seen)
            try:
                await store.wait("events", after, 0.2)
                page = await store.tail.after(after)
                if not page or page[0].position != after + 1:
                    page = await store.read_page(after=after)
            except StoreError:
                continue
            self.seen += page

    async def watch(self, store: PostgresStore) -> None:
        """Epochs and checkpoints."""
        while True:
            try:
                rows = await store.subscriptions.list("counting")
            except StoreError:
                continue
            for row in rows:
                moments = self.moments.setdefault(row.key.name, [])
                if not moments or moments[-1] != (row.epoch, row.position):
                    moments.append((row.epoch, row.position))
            await asyncio.sleep(0.01)

    def runtime(self, number: int) -> Runtime:
        handlers = self.handlers[number], Totals()
        return Runtime(
            counting(*handlers),
            store=self.dsn,
            lease=LEASE,
            node=str(number),
            retry=Retry(attempts=1000, first=0.01, longest=0.5),
        )


@asynccontextmanager
async def followed(dsn: str) -> AsyncGenerator[Followers]:
    """Have a store followed."""
    followers = Followers(dsn)
    async with PostgresStore(dsn, patience=60) as store, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(followers.follow(store)),
            group.create_task(followers.watch(store)),
        ]
        yield followers
        for task in tasks:
            task.cancel()


async def check_everything(processes: Processes, followers: Followers, runtime: Runtime) -> Memory:
    """Look up every promise; what the writers remember."""
    store = runtime.store
    head = await store.head()
    await until(lambda: len(followers.seen) >= head, 60)
    await runtime.wait(head, timeout=240)
    history = [event async for event in store.read_all()]
    connection = await asyncpg.connect(processes.dsn)
    rows = await connection.fetch("select name, first from chekov.streams")
    await connection.close()
    memory = remembered(processes.ledgers, {row["name"]: row["first"] for row in rows})
    check(history, memory)
    check_followed(history, followers.seen)
    for moments in followers.moments.values():
        check_checkpoints(moments)
    assert set(followers.moments) == {"seen", "totals"}
    given = [context.position for seen in followers.handlers for context in seen.contexts]
    demand(history, sorted(set(given)))
    projected: Sequence[int] = await runtime.query("totals", "seen", {})  # type: ignore[assignment]
    demand(history, list(projected))
    assert not await store.subscriptions.parked("counting", "totals")
    assert not await store.subscriptions.parked("counting", "seen")
    return memory


def demand(history: Sequence[RecordedEvent], given: Sequence[int]) -> None:
    """Each event was given that is there now, and none twice; erased ones were once events."""
    assert len(set(given)) == len(given)
    whole = {event.position for event in history if event.type == "Added"}
    erased = {event.position for event in history if event.type == "$erased"}
    assert whole <= set(given) <= whole | erased
