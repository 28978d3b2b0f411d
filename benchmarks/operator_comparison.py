"""The operator beside a minimal one in Go: `python -m benchmarks.operator_comparison [BUNDLES]`.

Both make the same children of the same bundles on a real API server, etcd and kube-apiserver of the
tests' cluster, which is started anew for each. They take turns in each round. There are no nodes:
this process lets the pods of Jobs end and Deployments roll out.
"""

import argparse
import asyncio
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.operators import api_server, nodes, programs
from benchmarks.operators.api_server import ApiServer
from benchmarks.operators.audit import AuditLog, by_verb, created
from benchmarks.operators.figures import Figures, differences, shape, table
from benchmarks.operators.nodes import Nodes
from benchmarks.operators.programs import DATABASE_HOST, NAMES, Name
from chekov_operator.kube.kinds import BUNDLE, BUNDLE_LABEL, CHILDREN, JOB, SECRET, STORE
from chekov_operator.kube.objects import Object, condition_of
from tests.cluster.kube.layout import Layout
from tests.operator.samples import bundle_body, store_body
from tests.waiting import until

NAMESPACE: Final = "shops"
WARM: Final = "warm"
LONGEST_SECONDS: Final = 1800.0
QUIET_SECONDS: Final = 5
IDLE_SECONDS: Final = 30
IN_FLIGHT: Final = 16


@dataclass(frozen=True, slots=True)
class Scene:
    """A cluster in which one operator runs."""

    server: ApiServer
    nodes: Nodes
    audit: AuditLog
    process: psutil.Process
    ready: set[str]

    async def create(self, name: str) -> None:
        """Create a bundle with an image."""
        spec = bundle_body(code={"image": "bank:1"})["spec"]
        await self.server.create(BUNDLE.path(NAMESPACE), _object(BUNDLE.name, name, spec))

    async def quiet(self) -> None:
        """Wait until the operator has asked nothing for a while."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            now = sum(item.is_about_children for item in self.audit.read())
            if now != seen:
                seen, since = now, time.monotonic()
            await asyncio.sleep(QUIET_SECONDS / 10)

    def cpu(self) -> float:
        """Processor seconds of the operator since it began."""
        times = self.process.cpu_times()
        return times.user + times.system

    async def shapes(self) -> dict[str, frozenset[str]]:
        """The fields of each child of one bundle, by its kind and the part of its name that says
        what it is."""
        found: dict[str, frozenset[str]] = {}
        for kind in CHILDREN:
            path = f"{kind.path(NAMESPACE)}?labelSelector={BUNDLE_LABEL}%3D{WARM}"
            items = (await self.server.get(path))["items"]
            if kind == JOB:
                # One of the operators removes those that have ended.
                items = [job for name, job in self.nodes.jobs.items() if name.startswith(WARM)]
            found |= {_part(kind.name, item): shape(item) for item in items}
        return found


def _object(kind: str, name: str, spec: Object) -> Object:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": BUNDLE.api, "kind": kind, "metadata": meta, "spec": spec}


def _part(kind: str, body: Object) -> str:
    parts = str(body["metadata"]["name"]).split("-")
    # Two are named after the revision alone, of which there is one.
    return " ".join((kind, *(part for part in parts[1:] if not _is_digest(part))))


def _is_digest(text: str) -> bool:
    return len(text) == 10 and set(text) <= set("0123456789abcdef")


@asynccontextmanager
async def _scene(name: Name, layout: Layout, folder: Path) -> AsyncGenerator[Scene]:
    async with api_server.running(layout) as server, nodes.simulated(server) as simulated:
        dsn = b64encode(f"postgresql://u:p@{DATABASE_HOST}/bank".encode()).decode()
        secret = {"metadata": {"name": "main"}, "data": {"dsn": dsn}}
        store = store_body(connection={"secretRef": {"name": "main"}})["spec"]
        await server.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        await server.create(SECRET.path(NAMESPACE), secret)
        await server.create(STORE.path(NAMESPACE), _object(STORE.name, "main", store))
        ready: set[str] = set()

        async def watch_bundles() -> None:
            async for _, bundle in server.changes(BUNDLE.path(None)):
                if condition_of(bundle, "Ready").get("status") == "True":
                    ready.add(str(bundle["metadata"]["name"]))

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch_bundles())
            async with programs.running(name, server, layout, folder) as process:
                yield Scene(server, simulated, AuditLog(server.audit_log), process, ready)
            watching.cancel()


async def _measure(name: Name, bundles: int, layout: Layout, folder: Path) -> Figures:
    async with _scene(name, layout, folder) as scene:
        await scene.create(WARM)
        await until(lambda: WARM in scene.ready, LONGEST_SECONDS)
        await scene.quiet()
        shapes = await scene.shapes()
        before, asked = scene.cpu(), len(scene.audit.read())
        began, places = time.perf_counter(), asyncio.Semaphore(IN_FLIGHT)

        async def create(number: int) -> None:
            async with places:
                await scene.create(f"bank-{number}")

        async with asyncio.TaskGroup() as group:
            for number in range(bundles):
                group.create_task(create(number))
        await until(lambda: len(scene.nodes.deployments) > bundles, LONGEST_SECONDS)
        planned = time.perf_counter() - began
        await until(lambda: len(scene.ready) > bundles, LONGEST_SECONDS)
        ready = time.perf_counter() - began
        await scene.quiet()
        cpu = scene.cpu() - before
        requests = [item for item in scene.audit.read()[asked:] if item.is_about_children]
        resident = scene.process.memory_info().rss
        before = scene.cpu()
        await asyncio.sleep(IDLE_SECONDS)
        return Figures(
            planned=planned,
            ready=ready,
            cpu=cpu / bundles,
            requests=len(requests) / bundles,
            resident=resident,
            idle=(scene.cpu() - before) / IDLE_SECONDS,
            verbs=by_verb(requests),
            created=created(requests),
            fields=shapes,
        )


async def compare(bundles: int, rounds: int) -> None:
    """Measure both in alternation and print what each took.

    Raises:
        SystemExit: they did not make the same children.
    """
    layout = Layout.from_environment()
    found: dict[Name, list[Figures]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name in _turns(number):
                figures = await _measure(name, bundles, layout, Path(folder))
                found[name].append(figures)
                print(f"round {number + 1}, {name}: {figures.cpu * 1000:.1f} ms of CPU per bundle")
    ours, theirs = found["chekov"], found["go"]
    print(f"\n{bundles} bundles, median of {rounds} rounds\n{table(ours, theirs)}\n")
    for name in NAMES:
        print(f"requests of {name}: {dict(found[name][-1].verbs.most_common())}")
    print(f"children: {dict(ours[-1].created)}")
    for line in differences(ours[-1].fields, theirs[-1].fields):
        print(line)
    if ours[-1].created != theirs[-1].created:
        raise SystemExit(f"the Go operator made others: {dict(theirs[-1].created)}")


def _turns(number: int) -> Sequence[Name]:
    return NAMES if number % 2 == 0 else NAMES[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=int, nargs="?", default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(compare(arguments.bundles, arguments.rounds))


if __name__ == "__main__":
    main()
