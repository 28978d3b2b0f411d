"""Pods come and go under load: partitions follow them, and nothing is lost or handled twice."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.cluster import letters, manifests
from tests.cluster.bank import Bank, Load, assert_nothing_lost_or_doubled, kill
from tests.cluster.clusters import Cluster
from tests.cluster.effects import NOTING, assert_each_deposit_had_its_effect
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl


@pytest.fixture(scope="module")
def bank(kubectl: Kubectl, cluster: Cluster) -> Bank:
    """The bank with one pod, and with a handler in partitions."""
    found = Bank(kubectl, cluster)
    code = manifests.inline(NOTING)
    kubectl.apply(manifests.event_store(), manifests.bundle(found.name, code, replicas=1))
    found.wait_until_ready()
    found.wait_until_served()
    return found


def test_partitions_follow_pods_under_load(bank: Bank, killer: Kubectl) -> None:
    load = Load(bank)
    load.start()
    try:
        for pods in (3, 2):
            bank.kubectl.patch("domainbundle", bank.name, {"spec": {"replicas": pods}})
            wait_for(f"{pods} pods", lambda pods=pods: len(bank.pods()) == pods, timeout=90)
            wait_for("a share for each pod", _are_shared(bank, pods), timeout=90)
            load.wait_for_more(100)
        kill(bank.kubectl, bank.pods()[0], killer)
        wait_for("a share for each pod", _are_shared(bank, 2), timeout=90)
        load.wait_for_more(100)
        ledger = load.stop()
    finally:
        load.remove()
    assert_nothing_lost_or_doubled(bank, ledger)
    assert_each_deposit_had_its_effect(bank)


def test_a_bundle_that_only_handles_events_goes_to_no_pod_and_back(bank: Bank) -> None:
    """And handles what was stored meanwhile."""
    follower = letters.apply(
        bank,
        autoscaling={
            "minReplicas": 0,
            "maxReplicas": 2,
            "targetLag": 100,
            "stabilizationSeconds": 1,
        },
    )
    wait_for("its pod to go", lambda: follower.pods() == [], timeout=90)
    follower.wait_until_ready()
    account = {"account_id": str(uuid4())}
    assert bank.command("OpenAccount", {**account, "owner": "Ada"}).status == 200
    stored = bank.command("Deposit", {**account, "amount": 25}).json()["position"]
    assert letters.last(bank) < stored
    wait_for("the deposit to be handled", lambda: letters.last(bank) == stored, timeout=90)
    assert len(follower.pods()) == 1


def _are_shared(bank: Bank, pods: int) -> Callable[[], bool]:
    """Whether all partitions are owned by pods that are there, as evenly as can be."""

    def shared() -> bool:
        names = {pod["metadata"]["name"] for pod in bank.pods()}
        owners = bank.sql("select split_part(owner, '/', 1) from chekov.subscriptions").splitlines()
        counts = [owners.count(name) for name in names]
        return len(names) == pods and sum(counts) == len(owners) and max(counts) - min(counts) <= 1

    return shared
