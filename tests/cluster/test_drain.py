"""Nodes are drained under load, one after the other, as for an upgrade of each of them."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster import manifests
from tests.cluster.bank import SOURCE, Bank, Load, assert_nothing_lost_or_doubled
from tests.cluster.clusters import Cluster, OwnCluster
from tests.cluster.kube.layout import WORKER, WORKER_TAINT
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

PODS = 3
SECONDS = 240
ON_WORKERS: dict[str, Any] = {
    "replicas": PODS,
    "podTemplate": {"spec": {"nodeSelector": {WORKER: "true"}, "tolerations": [WORKER_TAINT]}},
}
# It loads, so that it passes its check and its gate; a pod of it never becomes ready.
UNREADY = f"""{SOURCE}
import os, threading
if "CHEKOV_HTTP_PORT" in os.environ:
    threading.Event().wait()
"""


@pytest.fixture(scope="module")
def workers(system: Kubectl, cluster: Cluster) -> Generator[Sequence[str]]:
    """Two nodes beside the one that has everything else."""
    assert isinstance(cluster, OwnCluster)
    try:
        yield cluster.add_workers(2)
    finally:
        cluster.remove_workers()


@pytest.fixture(scope="module")
def bank(kubectl: Kubectl, cluster: Cluster, workers: Sequence[str]) -> Bank:
    """The bank with three pods on both of them."""
    found = Bank(kubectl, cluster)
    kubectl.apply(manifests.event_store())
    found.apply(manifests.inline(SOURCE), **ON_WORKERS)
    found.wait_until_ready(timeout=SECONDS)
    found.wait_until_served()
    assert _nodes(found) == set(workers)
    return found


def test_each_node_in_turn_is_drained_without_a_failed_command(
    bank: Bank, workers: Sequence[str]
) -> None:
    load = Load(bank, seconds=2 * SECONDS)
    load.start()
    try:
        for node in workers:
            least = _drained(bank, node, lambda: len(_ready(bank)))
            assert least >= PODS - 1, "the budget lets one pod go at a time"
            assert node not in _nodes(bank)
            load.wait_for_more(100)
            bank.kubectl.run("uncordon", node)
            wait_for("its pods to be back", lambda: len(_ready(bank)) == PODS, timeout=SECONDS)
        ledger = load.stop()
    finally:
        load.remove()
    assert (ledger["refused"], ledger["unknown"]) == (0, []), ledger["failures"]
    assert_nothing_lost_or_doubled(bank, ledger)


def test_pods_that_are_not_ready_do_not_block_a_drain(bank: Bank, workers: Sequence[str]) -> None:
    serving = bank.revision()
    # All at once, so that there are several, which a budget of ready pods would have to keep.
    bank.apply(
        manifests.inline(UNREADY),
        **ON_WORKERS,
        rollout={"maxSurge": PODS, "progressDeadlineSeconds": 3600},
    )
    new = dict.fromkeys(workers, 0)

    def begun() -> bool:
        for name in new:
            new[name] = sum(
                _node_of(pod) == name and _revision_of(pod) != serving for pod in bank.pods()
            )
        return sum(new.values()) == PODS

    wait_for("the new pods to be on their nodes", begun, timeout=SECONDS)
    node = max(new, key=lambda name: new[name])
    assert new[node] > 1
    least = _drained(bank, node, lambda: len(_ready(bank)))
    assert least >= PODS - 1
    assert {_revision_of(pod) for pod in _ready(bank)} == {serving}
    bank.kubectl.run("uncordon", node)
    bank.apply(manifests.inline(SOURCE), **ON_WORKERS)
    bank.wait_until_ready(timeout=SECONDS)


def _drained(bank: Bank, node: str, count: Callable[[], int]) -> int:
    """Drain a node as an administrator does; return the smallest count on the way."""
    words = ("drain", node, "--delete-emptydir-data", f"--timeout={SECONDS}s")
    least = count()
    with ThreadPoolExecutor(1) as threads:
        drain: Future[str] = threads.submit(bank.kubectl.run, *words, timeout=SECONDS + 30)
        while not drain.done():
            least = min(least, count())
        drain.result()
    return least


def _ready(bank: Bank) -> list[dict[str, Any]]:
    """The pods that serve: a pod that is being deleted is not counted."""

    def is_ready(pod: dict[str, Any]) -> bool:
        conditions = pod["status"].get("conditions", [])
        is_true = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        return is_true and "deletionTimestamp" not in pod["metadata"]

    return [pod for pod in bank.pods() if is_ready(pod)]


def _nodes(bank: Bank) -> set[str]:
    return {_node_of(pod) for pod in bank.pods()}


def _node_of(pod: dict[str, Any]) -> str:
    return str(pod["spec"].get("nodeName"))


def _revision_of(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["labels"]["chekov.dev/revision"])
