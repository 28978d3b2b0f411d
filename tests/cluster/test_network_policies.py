"""The network policies of bundles, enforced: who reaches their pods, and what these reach.

The schema of the store was migrated under such a policy, too.
"""

import json

import pytest

from tests.cluster import manifests
from tests.cluster.bank import INSIDE, SOURCE, Bank
from tests.cluster.clusters import Cluster
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

REACH = (INSIDE / "reach.py").read_text()
CLIENT = {"podSelector": {"matchLabels": {"role": "client"}}}
DATABASE = "postgres:5432"
OTHER = "other:8000"
# A policy takes effect a moment after a pod has started.
CHECKED = f"""
import threading

{REACH.partition("if __name__")[0]}

for _ in range(60):
    if not is_reached("{OTHER}"):
        break
    threading.Event().wait(0.5)
reached = [address for address in ("{DATABASE}", "{OTHER}") if is_reached(address)]
name = socket.gethostbyname("other")
raise RuntimeError(f"knows {{bool(name)}} and reaches {{reached}}")
"""


@pytest.fixture(scope="module")
def guarded(kubectl: Kubectl, cluster: Cluster) -> Bank:
    """The bank, which only pods with a label may call, beside a server of somebody else."""
    listening = manifests.container("other", cluster.image, "python", "-m", "http.server", "8000")
    other = manifests.pod("other", {"containers": [listening]})
    other["metadata"]["labels"] = {"app": "other"}
    client = manifests.toolbox(cluster.image)
    client["metadata"] |= {"name": "client", "labels": {"role": "client"}}
    kubectl.apply(other, client, manifests.service("other", {"http": 8000}, {"app": "other"}))
    bank = Bank(kubectl, cluster)
    kubectl.apply(manifests.event_store())
    bank.apply(manifests.inline(SOURCE), networkPolicy={"ingressFrom": [CLIENT]})
    bank.wait_until_ready()
    for pod in ("client", "other"):
        kubectl.wait("condition=Ready", f"pod/{pod}")
    return bank


def reached(kubectl: Kubectl, pod: str, *addresses: str) -> list[str]:
    return json.loads(kubectl.exec(pod, "python", "-c", REACH, *addresses))


def test_an_allowed_client_reaches_the_pods_and_no_other_does(
    guarded: Bank, kubectl: Kubectl
) -> None:
    served = [f"{pod['status']['podIP']}:8080" for pod in guarded.pods()]
    assert len(served) == 2

    def is_closed() -> bool:
        return reached(kubectl, "toolbox", *served) == []

    wait_for("the pods to be closed to others", is_closed)
    assert reached(kubectl, "client", *served, "bank:8080") == [*served, "bank:8080"]
    assert reached(kubectl, "toolbox", "bank:8080", OTHER) == [OTHER]


def test_metrics_are_open_to_all_pods(guarded: Bank, kubectl: Kubectl) -> None:
    scraped = [f"{pod['status']['podIP']}:9090" for pod in guarded.pods()]
    assert reached(kubectl, "toolbox", *scraped) == scraped


def test_pods_reach_the_database_and_names_and_nothing_else(
    guarded: Bank, kubectl: Kubectl
) -> None:
    (pod, *_) = guarded.pods()
    name = pod["metadata"]["name"]
    api = "kubernetes.default.svc:443"

    def reaches_the_database_alone() -> bool:
        return reached(kubectl, name, DATABASE, OTHER, api) == [DATABASE]

    wait_for("the pod to reach its database alone", reaches_the_database_alone)
    # From a pod without a policy, all of them are there.
    assert reached(kubectl, "toolbox", DATABASE, OTHER, api) == [DATABASE, OTHER, api]


def test_a_check_reaches_names_alone(kubectl: Kubectl, cluster: Cluster, guarded: Bank) -> None:
    curious = Bank(kubectl, cluster, name="curious")
    assert guarded.name != curious.name
    curious.apply(manifests.inline(CHECKED))
    curious.wait_for_words("knows True and reaches []")
