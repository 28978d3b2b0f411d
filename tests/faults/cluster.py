"""Nodes of one domain over one Postgres, and everything that can happen to them."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Any, Final, cast
from uuid import UUID

import asyncpg

from chekov import Runtime
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import ChekovError
from chekov.store.port import SubscriptionKey
from chekov.store.postgres import PostgresStore
from tests.faults.history import Effect, Given, History, Sent
from tests.faults.questions import NAME, Ask, Ledger, domain, read
from tests.integration.small_disk import Room
from tests.integration.wire import Wire
from tests.waiting import until

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 120.0
"""Seconds for what takes one or two on a quiet machine."""
_MORE: Final = 40
"""Questions that show that the work goes on."""
_TOPICS: Final = 12
_CLIENTS: Final = 2
_AT_MOST: Final = 1000
"""Questions between two faults, lest they fill the disk while a slow machine takes its time."""
_MANAGER: Final = SubscriptionKey(NAME, "answering")


class Node:
    """A process, and its wire to the database."""

    def __init__(self, name: str, wire: Wire, child: asyncio.subprocess.Process) -> None:
        self.name, self.wire, self.child = name, wire, child

    def signal(self, number: Signals) -> None:
        self.child.send_signal(number)

    async def end(self, how: Signals) -> None:
        """End it, unless it has ended."""
        if self.child.returncode is None:
            self.signal(how)
        await self.child.wait()


class Cluster:
    """Some nodes, and clients that ask questions all the while.

    Args:
        server: the database.
        room: the disk it lives on.
        folder: holds what the nodes note.
        seed: of every choice.
    """

    def __init__(self, server: EmbeddedPostgres, room: Room, folder: Path, seed: int) -> None:
        self.server = server
        self.room = room
        self._folder = folder
        self._choice = Random(seed)
        self._started = 0
        self._stack = AsyncExitStack()
        self._nodes: list[Node] = []
        self._acknowledged: dict[UUID, int] = {}
        self._asked = 0
        self._may_ask = 0
        self._asks_on = asyncio.Event()
        self._refusals = 0
        self._stopping = False

    @asynccontextmanager
    async def running(self, nodes: int) -> AsyncGenerator[None]:
        """Run so many nodes and the clients; at the end, wait until everything is done."""
        store = PostgresStore(self.server.dsn, patience=2)
        clients = Runtime(
            domain(Ledger(self._folder / "clients", "clients")), store=store, subscriptions=False
        )
        async with self._stack, clients:
            self.clients = clients
            try:
                for _ in range(nodes):
                    await self.add_node()
                async with asyncio.TaskGroup() as group:
                    for _ in range(_CLIENTS):
                        group.create_task(self._ask_on())
                    try:
                        await self.goes_on()
                        yield
                    finally:
                        self._stopping = True
                        self._asks_on.set()
                await self._finish()
            finally:
                await asyncio.gather(*(node.end(SIGKILL) for node in self._nodes))

    async def add_node(self) -> None:
        """Start one more node, on a wire of its own."""
        self._started += 1
        name = f"node-{self._started}"
        wire = Wire(self.server.dsn)
        dsn = await self._stack.enter_async_context(wire.running())
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.node",
            dsn,
            str(self._folder / name),
            name,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout
        self._nodes.append(Node(name, wire, child))
        async with asyncio.timeout(PATIENCE):
            assert await child.stdout.readline() == b"ready\n"

    async def goes_on(self) -> None:
        """Wait until new questions are stored, and all that is stored by then is handled."""
        self._let_ask()
        asked = len(self._acknowledged)
        await until(lambda: len(self._acknowledged) >= asked + _MORE, PATIENCE)
        head = await self._patiently(self.clients.store.head)

        async def handled() -> bool:
            return await self._patiently(self._lowest_checkpoint) >= head

        await until(handled, PATIENCE)
        self._let_ask()

    # What can happen

    async def kill_a_node(self) -> None:
        node = self._any_node()
        await node.end(SIGKILL)
        self._nodes.remove(node)
        await self.goes_on()
        await self.add_node()

    async def end_a_node(self) -> None:
        node = self._any_node()
        await node.end(SIGTERM)
        assert node.child.returncode == 0
        self._nodes.remove(node)
        await self.add_node()

    async def stop_a_node_for_a_while(self) -> None:
        node = self._any_node()
        node.signal(SIGSTOP)
        await self.goes_on()
        node.signal(SIGCONT)

    async def cut_a_node_off(self) -> None:
        wire = self._any_node().wire
        wire.swallowing = "questions" if self._choice.random() < 0.5 else "answers"
        await self.goes_on()
        wire.swallowing = None

    async def kill_postgres(self) -> None:
        await self.server.kill()
        await self.server.start()

    async def restart_postgres(self) -> None:
        await self.server.stop()
        await self.server.start()

    async def fill_the_disk(self) -> None:
        self.room.fill()
        refusals = self._refusals
        await until(lambda: self._refusals > refusals, PATIENCE)
        self.room.free()
        await self._supervise()

    @property
    def faults(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """Everything that can happen, each once, in a random order."""
        found = [
            self.kill_a_node,
            self.end_a_node,
            self.stop_a_node_for_a_while,
            self.cut_a_node_off,
            self.kill_postgres,
            self.restart_postgres,
            self.fill_the_disk,
        ]
        self._choice.shuffle(found)
        return found

    async def history(self) -> History:
        """What is left, once it has ended."""
        given: list[Given] = []
        sent: list[Sent] = []
        for file in sorted(self._folder.glob("node-*")):
            noted = read(file)
            given += noted[0]
            sent += noted[1]
        async with PostgresStore(self.server.dsn) as store:
            log = [event async for event in store.read_all()]
            rows = await store.subscriptions.list(NAME)
            parked = [
                item.position
                for row in rows
                for item in await store.subscriptions.parked(NAME, row.key.name)
            ]
            processes = store.processes
            waiting = [
                *await processes.pending(_MANAGER),
                *await processes.inputs(_MANAGER),
                *await processes.list(NAME),
            ]
        return History(
            log=log,
            numbers={event.id: json.loads(event.data)["number"] for event in log},
            acknowledged=self._acknowledged,
            given=given,
            effects=await self._effects(),
            sent=sent,
            parked=parked,
            waiting=len(waiting),
        )

    def _any_node(self) -> Node:
        return self._choice.choice(self._nodes)

    async def _ask_on(self) -> None:
        """Ask one question after the other, each until it is acknowledged."""
        while not self._stopping:
            if self._asked >= self._may_ask:
                self._asks_on.clear()
                await self._asks_on.wait()
                continue
            self._asked += 1
            number = self._asked
            command_id = UUID(int=self._choice.getrandbits(128))
            topic = f"t{self._choice.randrange(_TOPICS)}"
            while command_id not in self._acknowledged:
                try:
                    answer = await self.clients.dispatch(
                        Ask(topic=topic, number=number), command_id=command_id
                    )
                except ChekovError:
                    self._refusals += 1
                    continue
                self._acknowledged[command_id] = answer.position

    def _let_ask(self) -> None:
        self._may_ask = self._asked + _AT_MOST
        self._asks_on.set()

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        while True:
            try:
                return await call()
            except ChekovError:
                continue

    async def _lowest_checkpoint(self) -> int:
        rows = await self.clients.store.subscriptions.list(NAME)
        return min(row.position for row in rows)

    async def _finish(self) -> None:
        """Wait until everything is done, however long: only standing still is a failure."""
        before = None
        while (now := await self._patiently(self._done)) != before:
            before = now
            with suppress(TimeoutError):
                await until(self._all_done, PATIENCE)
                return
        raise AssertionError(f"nothing has moved for {PATIENCE:.0f} s: {now}")

    async def _done(self) -> Sequence[int]:
        """How far everything is: the log, the handlers, and what process managers have to send."""
        store = self.clients.store
        pending = await store.processes.pending(_MANAGER)
        return await store.head(), await self._lowest_checkpoint(), len(pending)

    async def _all_done(self) -> bool:
        """Whether every question is answered, and every answer handled."""
        store = self.clients.store
        head = await store.head()
        return (
            head == 2 * len(self._acknowledged)
            and await self._lowest_checkpoint() == head
            and not await store.processes.pending(_MANAGER)
            and not await store.processes.list(NAME)
        )

    async def _effects(self) -> Sequence[Effect]:
        connection = await asyncpg.connect(self.server.dsn)
        try:
            schema = await connection.fetchval(
                "select schemaname from pg_tables where tablename = 'effects'"
            )
            rows = await connection.fetch(
                f'select number, position, stream from "{schema}".effects order by number'
            )
        finally:
            await connection.close()
        return [Effect(*cast("tuple[int, int, str]", tuple(row))) for row in rows]

    async def _supervise(self) -> None:
        """Start a server again that gave up, as what runs it in earnest does."""
        try:
            connection = await asyncpg.connect(self.server.dsn)
        except (OSError, asyncpg.PostgresError):
            await self.server.start()
        else:
            await connection.close()
