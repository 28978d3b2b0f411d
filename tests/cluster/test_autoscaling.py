"""The number of pods follows processor time and lag: with a real autoscaler and real metrics."""

import json
from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.cluster import manifests
from tests.cluster.bank import SOURCE, Bank, Load
from tests.cluster.clusters import Cluster
from tests.cluster.kube.shell import CommandFailed, wait_for
from tests.cluster.kubectl import Kubectl

PARTITIONS = 3
SLOW = SOURCE.replace(
    "\ndomain = Domain(",
    f'''
import asyncio

from chekov import Context, EventHandler


class Letters(EventHandler, name="letters", partitions={PARTITIONS}):
    """Takes its time, so that it falls behind."""

    @handle
    async def deposited(self, event: MoneyDeposited, context: Context) -> None:
        await asyncio.sleep(0.25)


domain = Domain(''',
).replace("handlers=[", "handlers=[Letters(), ")
NODES = "/apis/metrics.k8s.io/v1beta1/nodes"
QUICK = {"stabilizationSeconds": 10}


@pytest.fixture(scope="module", autouse=True)
def metrics(system: Kubectl) -> None:
    """Metrics of the node, without which autoscalers do nothing: a cluster of yours needs them."""

    def are_served() -> bool:
        try:
            return bool(json.loads(system.run("get", "--raw", NODES))["items"])
        except CommandFailed:
            return False

    wait_for("metrics of the node", are_served, timeout=60)


@pytest.fixture
def scaled(kubectl: Kubectl, cluster: Cluster) -> Generator[Callable[..., Bank]]:
    """Applies a bank with an autoscaler, which is deleted after the test."""
    found = Bank(kubectl, cluster)

    def apply(source: str, **autoscaling: Any) -> Bank:
        body = manifests.bundle(
            found.name, manifests.inline(source), autoscaling=autoscaling | QUICK
        )
        del body["spec"]["replicas"]
        kubectl.apply(manifests.event_store(), body)
        found.wait_until_ready()
        found.wait_until_served()
        return found

    yield apply
    kubectl.delete("domainbundle", found.name)


def serve(bank: Bank, pods: int, *, timeout: float = 120) -> None:
    """Wait until so many pods serve, no more and no less."""

    def do() -> bool:
        ready = bank.kubectl.get("domainbundle", bank.name)["status"]["ready"]
        return len(bank.pods()) == pods and ready == f"{pods}/{pods}"

    try:
        wait_for(f"{pods} pods to serve", do, timeout=timeout)
    except Exception as error:
        error.add_note(bank.kubectl.describe(f"hpa/{bank.name}"))
        error.add_note(bank.kubectl.describe(f"domainbundle/{bank.name}"))
        raise


def test_pods_follow_processor_time(scaled: Callable[..., Bank]) -> None:
    bank = scaled(SOURCE, maxReplicas=3, targetCPU=20)
    load = Load(bank)
    load.start()
    try:
        serve(bank, 3)
        load.wait_for_more(50)
    finally:
        load.remove()
    serve(bank, 1)


def test_pods_follow_the_lag_up_to_the_partitions(scaled: Callable[..., Bank]) -> None:
    """Of which there are fewer than the most pods; and it ends once all is handled."""
    bank = scaled(SLOW, maxReplicas=5, targetCPU=1000, targetLag=20)
    load = Load(bank)
    load.start()
    try:
        serve(bank, PARTITIONS)
    finally:
        load.remove()
    status = bank.kubectl.get("domainbundle", bank.name)["status"]["autoscaling"]
    assert status["lagReplicas"] == status["minReplicas"] == PARTITIONS
    serve(bank, 1, timeout=180)
    assert bank.sql("select count(*) from chekov.parked") == "0"
