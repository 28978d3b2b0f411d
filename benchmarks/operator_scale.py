"""The operator's work for many bundles: `python -m benchmarks.operator_scale [BUNDLES]`.

The real process, with kopf and real watches, against the tests' API server in another process of
the same machine. "Planned" is when every bundle has its Deployment.
"""

import argparse
import asyncio
import time
from collections import Counter
from functools import partial

import psutil

from chekov_operator.kube.kinds import BUNDLE, DEPLOYMENT, SUBSCRIPTION, Kind
from tests.operator.fake_api import FakeApi, Request, serving
from tests.operator.process.running import Cluster
from tests.waiting import until

NAMESPACE = "shops"
IDLE_SECONDS = 90
"""Long enough for each object to be reconciled again, though nothing has changed."""
LONGEST_SECONDS = 900


async def measure(bundles: int) -> None:
    """Apply the bundles at once, wait until all are planned, and print what that took."""
    async with serving() as api:
        cluster = Cluster(api)
        cluster.store()
        async with cluster.operator(log_level="warning") as operator:
            await cluster.ready(cluster.bundle("warm", code={"image": "bank:1"}))
            process = psutil.Process(operator.pid)
            before, asked = _cpu(process), len(api.requests)
            deployments = _written(api, DEPLOYMENT)
            started = time.perf_counter()
            for number in range(bundles):
                cluster.bundle(f"bank-{number}", code={"image": "bank:1"})
            await until(lambda: len(deployments) >= bundles, LONGEST_SECONDS)
            planned = time.perf_counter() - started
            paths = [BUNDLE.path(NAMESPACE, f"bank-{number}") for number in range(bundles)]
            for path in paths:
                await cluster.ready(path)
            collection = SUBSCRIPTION.path(NAMESPACE) + "/"
            for path in [path for path in api.objects if path.startswith(collection)]:
                await until(partial(_has_status, api, path), LONGEST_SECONDS)
            cpu = _cpu(process) - before
            calls = Counter(request.method for request in api.requests[asked:])
            print(f"{bundles} bundles planned after {planned:.1f} s")
            print(f"CPU a bundle: {cpu / bundles * 1000:.1f} ms")
            print(f"requests a bundle: {calls.total() / bundles:.1f} ({dict(calls)})")
            print(f"resident: {process.memory_info().rss / 2**20:.0f} MiB")
            before, asked = _cpu(process), len(api.requests)
            await asyncio.sleep(IDLE_SECONDS)
            idle = (_cpu(process) - before) / IDLE_SECONDS
            made = Counter(_what(request) for request in api.requests[asked:])
            print(f"idle: {idle:.1%} of a core, requests: {dict(made)}")
            print(f"resident then: {process.memory_info().rss / 2**20:.0f} MiB")


def _has_status(api: FakeApi, path: str) -> bool:
    return "status" in api.objects[path]


def _written(api: FakeApi, kind: Kind) -> set[str]:
    """The paths of the objects of a kind that are written from now on."""
    # Looking for them among all objects would take most of the time of the API server's process.
    found = set[str]()
    collection, play = kind.path(NAMESPACE) + "/", api.after_write

    def after_write(path: str) -> None:
        play(path)
        if path.startswith(collection):
            found.add(path)

    api.after_write = after_write
    return found


def _what(request: Request) -> str:
    """Method and kind of a request, or its path where it is about no namespace."""
    _, _, inside = request.path.partition("/namespaces/")
    return f"{request.method} {inside.split('/')[1] if inside else request.path}"


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=int, nargs="?", default=1000)
    asyncio.run(measure(parser.parse_args().bundles))


if __name__ == "__main__":
    main()
