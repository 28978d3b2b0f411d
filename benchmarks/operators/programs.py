"""The two operators that are compared, each started as a process of its own."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import psutil

from benchmarks.operators.api_server import ApiServer
from benchmarks.operators.launch import free_port, started
from tests.cluster.kube.binaries import build_program
from tests.cluster.kube.layout import Layout
from tests.operator.fake_api import serving
from tests.operator.process.running import Cluster

Name = Literal["chekov", "go"]
NAMES: Final[Sequence[Name]] = ("chekov", "go")
GO_SOURCE: Final = Path(__file__).parent / "go_operator"
DATABASE_HOST: Final = "db.example"


@asynccontextmanager
async def running(
    name: Name, server: ApiServer, layout: Layout, folder: Path
) -> AsyncGenerator[psutil.Process]:
    """One of the operators, for the time of the block; its log is in `folder`."""
    environment = {"KUBECONFIG": str(server.kubeconfig)}
    if name == "go":
        program = await asyncio.to_thread(build_program, layout, GO_SOURCE)
        async with started(folder / "go.log", [program], environment) as process:
            yield psutil.Process(process.pid)
        return
    async with serving() as databases:
        # It is the operator as released, but for what it asks of databases.
        Cluster(databases).database(DATABASE_HOST)
        command = [sys.executable, "-m", "tests.operator.process.stubbed"]
        settings = {
            "FAKE_API": databases.url,
            "CHEKOV_OPERATOR_NAME": "operator-1",
            "CHEKOV_OPERATOR_LOG_LEVEL": "warning",
            "CHEKOV_OPERATOR_MANAGEMENT_PORT": str(free_port()),
        }
        async with started(folder / "chekov.log", command, environment | settings) as process:
            yield psutil.Process(process.pid)
