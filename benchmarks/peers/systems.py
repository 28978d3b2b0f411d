"""The systems of a run, and how the worker of each is started."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.peers.install import (
    HERE,
    PYTHON,
    PYTHON_3_13,
    npm_packages,
    python_environment,
)
from benchmarks.peers.workloads import ALL

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class System:
    """One row of the tables.

    Attributes:
        name: what `--only` calls it.
        title: what the tables call it.
        command: installs the system and returns the worker's command line; takes the DSN.
        workloads: the names of those that it supports.
        second: further arguments of a second process at the same database.
        one_process: why no second process may append to the same database; empty if it may.
    """

    name: str
    title: str
    command: Callable[[str], Awaitable[Command]]
    workloads: frozenset[str] = ALL
    second: tuple[str, ...] = ()
    one_process: str = ""

    @property
    def database(self) -> str:
        return f"peers_{self.name.replace('-', '_')}"


CHEKOV = "chekov"
APPENDS = frozenset(name for name in ALL if name.startswith("append"))
NO_PROJECTIONS = frozenset({"project", "process"})
"""Nor have they process managers."""
CONDITIONS, PEERS_CONDITIONS = "chekov-conditions", "eventsourcing-conditions"
BOUNDARIES = frozenset({"append 1", "append 16"})
OWN_POSITIONS = "each process knows the positions of its own appends"
OWN_SERVER = "its server belongs to the process"
COUNTER = "its positions come from a counter inside the process"


async def _chekov(dsn: str) -> Command:
    return sys.executable, "-m", "benchmarks.peers.workers.chekov", dsn


async def _chekov_conditions(dsn: str) -> Command:
    return *await _chekov(dsn), "--conditions"


async def _bare(dsn: str) -> Command:
    return sys.executable, "-m", "benchmarks.peers.workers.bare", dsn


async def _bare_batched(dsn: str) -> Command:
    return *await _bare(dsn), "--batched"


async def _eventsourcing(dsn: str) -> Command:
    python = await python_environment(PYTHON)
    return str(python), "-m", "benchmarks.peers.workers.eventsourcing", dsn


async def _eventsourcing_fast(dsn: str) -> Command:
    return *await _eventsourcing(dsn), "--fast"


async def _eventsourcing_conditions(dsn: str) -> Command:
    return *await _eventsourcing(dsn), "--conditions"


async def _emmett(dsn: str) -> Command:
    folder = await npm_packages()
    return "node", str(HERE / "workers" / "emmett.mjs"), dsn, str(folder)


async def _message_db(dsn: str) -> Command:
    sources = await npm_packages() / "node_modules" / "@eventide" / "message-db" / "database"
    return sys.executable, "-m", "benchmarks.peers.workers.message_db", dsn, str(sources)


async def _message_db_spread(dsn: str) -> Command:
    return *await _message_db(dsn), "--categories", "16"


async def _umadb(_: str) -> Command:
    python = await python_environment(PYTHON)
    return str(python), "-m", "benchmarks.peers.workers.umadb"


async def _umadb_conditions(dsn: str) -> Command:
    return *await _umadb(dsn), "--conditions"


async def _eventsource_py(dsn: str) -> Command:
    python = await python_environment(PYTHON_3_13)
    return str(python), "-m", "benchmarks.peers.workers.eventsource_py", dsn


async def _logicblocks(dsn: str) -> Command:
    python = await python_environment(PYTHON_3_13)
    return str(python), "-m", "benchmarks.peers.workers.logicblocks", dsn


async def _logicblocks_streams(dsn: str) -> Command:
    return *await _logicblocks(dsn), "--streams"


SYSTEMS = (
    System(CHEKOV, "chekov", _chekov),
    System("bare", "bare INSERT", _bare, APPENDS | {"catch-up"}, one_process=COUNTER),
    System(
        "bare-batched",
        "bare INSERT, batched",
        _bare_batched,
        APPENDS - {"append 100"},
        one_process=COUNTER,
    ),
    System("eventsourcing", "eventsourcing", _eventsourcing, ALL - {"live here"}),
    System(
        "eventsourcing-fast",
        "eventsourcing, functions + cache",
        _eventsourcing_fast,
        ALL - {"live here"},
    ),
    System(
        CONDITIONS,
        "chekov, two tags and a condition",
        _chekov_conditions,
        BOUNDARIES,
        one_process=OWN_POSITIONS,
    ),
    System(
        PEERS_CONDITIONS,
        "eventsourcing, the same (DCB)",
        _eventsourcing_conditions,
        BOUNDARIES,
        one_process=OWN_POSITIONS,
    ),
    System("emmett", "Emmett", _emmett, ALL - {"live here", "process"}, second=("--second",)),
    System(
        "message-db",
        "message-db",
        _message_db,
        ALL - {"live here", "append 100"} - NO_PROJECTIONS,
        second=("--second",),
    ),
    System(
        "message-db-spread",
        "message-db, 16 categories",
        _message_db_spread,
        APPENDS - {"append 100"},
        second=("--second",),
    ),
    # Between processes, its subscribers are woken by Redis, RabbitMQ or Kafka, which are not here.
    # Its projections save their checkpoint in another transaction than what they write, which is
    # not exactly once, and it has no process managers.
    System(
        "eventsource-py",
        "eventsource-py",
        _eventsource_py,
        ALL - {"live", "live slow"} - NO_PROJECTIONS,
    ),
    # Its subscribers poll, so it makes no difference whether they share the store. Their progress
    # is an event that is appended after they were called, which is not exactly once either.
    System(
        "logicblocks",
        "logicblocks",
        _logicblocks,
        ALL - {"live here"} - NO_PROJECTIONS,
        second=("--second",),
    ),
    System(
        "logicblocks-streams",
        "logicblocks, a lock for each stream",
        _logicblocks_streams,
        ALL - {"live here"} - NO_PROJECTIONS,
        second=("--second",),
    ),
    System("umadb", "UmaDB", _umadb, APPENDS | {"catch-up"}, one_process=OWN_SERVER),
    System(
        "umadb-conditions",
        "UmaDB, two tags and a condition",
        _umadb_conditions,
        BOUNDARIES,
        one_process=OWN_SERVER,
    ),
)
