"""The longest allowed names leave room for the names of all children."""

from typing import Any

from tests.cluster.bank import SOURCE, Bank
from tests.cluster.clusters import Cluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.manifests import event_store, inline
from tests.cluster.test_walkthrough import CHILDREN

STORE = "s" * 52
BUNDLE = "b" * 47
LONGEST = 63


def _labels(child: dict[str, Any]) -> list[str]:
    template = child.get("spec", {}).get("template", {}).get("metadata", {})
    return [*child["metadata"]["labels"].values(), *template.get("labels", {}).values()]


def test_the_longest_names_serve(kubectl: Kubectl, cluster: Cluster) -> None:
    store = event_store(STORE)
    # A separate schema, so that a Job has to migrate it.
    store["spec"]["schema"] = "longest"
    kubectl.apply(store)
    bank = Bank(kubectl, cluster, name=BUNDLE)
    bank.apply(inline(SOURCE), eventStoreRef={"name": STORE})
    bank.wait_until_served()
    for kind in (*CHILDREN, "pods"):
        found = kubectl.list(kind, f"chekov.dev/bundle={BUNDLE}")
        assert found, kind
        for child in found:
            assert kind == "pods" or len(child["metadata"]["name"]) <= LONGEST
            assert max(map(len, _labels(child))) <= LONGEST
