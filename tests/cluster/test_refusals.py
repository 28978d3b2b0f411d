"""Faults of a bundle are reported with what to change."""

from typing import Any

import pytest

from tests.cluster.bank import SOURCE, Bank
from tests.cluster.clusters import Cluster
from tests.cluster.kubectl import Kubectl
from tests.cluster.manifests import bundle, event_store, inline

CODE = inline(SOURCE)
THREE_FAULTS = """
from chekov import Aggregate, Domain, Event, Projection, handle


class Opened(Event):
    owner: str


class Account(Aggregate, identity="account"):
    owner: str


class Balances(Projection, name="balances", version=1):
    tables = "create table balances (account text)"

    @handle
    def opened(self, event: Opened, transaction: object) -> None: ...


domain = Domain("bank", aggregates=[Account], handlers=[Balances()])
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": {**CODE, "image": "bank:1"}}, "exactly one of image, inline"),
        ({"code": {}}, "exactly one of image, inline"),
        ({"entrypoint": "bank"}, "module:object, for example bank:domain"),
        ({"entrypoint": "shop:domain"}, "needs a bank.py"),
        ({"replicas": -1}, "greater than or equal to 0"),
    ],
    ids=["two forms of code", "no code", "no object", "no such module", "fewer pods than none"],
)
def test_the_api_server_refuses_what_can_never_work(
    kubectl: Kubectl, change: dict[str, Any], words: str
) -> None:
    manifest = bundle("refused", CODE)
    manifest["spec"] |= change
    assert words in kubectl.refusal(manifest)


def test_a_name_that_leaves_no_room_for_children_is_refused(kubectl: Kubectl) -> None:
    assert "at most 47 characters" in kubectl.refusal(bundle("b" * 48, CODE))


def test_a_store_without_its_secret_says_which_is_missing(kubectl: Kubectl) -> None:
    store = event_store("lost")
    store["spec"]["connection"]["secretRef"]["name"] = "not-there"
    kubectl.apply(store)
    condition = kubectl.wait_for_words("eventstore", "lost", "not-there")
    assert (condition["type"], condition["status"]) == ("Ready", "False")


def test_a_store_whose_secret_lacks_the_key_says_so(kubectl: Kubectl) -> None:
    kubectl.apply(event_store("keyless", key="url"))
    condition = kubectl.wait_for_words("eventstore", "keyless", "url", "bank-postgres")
    assert (condition["type"], condition["status"]) == ("Ready", "False")


def test_a_bundle_without_its_store_says_which_is_missing(
    kubectl: Kubectl, cluster: Cluster
) -> None:
    lonely = Bank(kubectl, cluster, name="lonely")
    lonely.apply(CODE, eventStoreRef={"name": "nowhere"})
    lonely.wait_for_words("nowhere")


@pytest.mark.parametrize(
    ("source", "entrypoint", "words"),
    [
        (SOURCE.replace("domain = Domain", "other = Domain"), "bank:domain", ["domain"]),
        (SOURCE, "bank:Account", ["Account", "Domain"]),
        ("import no_such_library\n" + SOURCE, "bank:domain", ["no_such_library"]),
        (THREE_FAULTS, "bank:domain", ["owner needs a default", "`async def`", "Transaction"]),
    ],
    ids=["no such object", "not a domain", "does not import", "three faults"],
)
def test_code_that_cannot_run_ends_in_a_condition(
    kubectl: Kubectl, cluster: Cluster, source: str, entrypoint: str, words: list[str]
) -> None:
    kubectl.apply(event_store())
    faulty = Bank(kubectl, cluster, name="faulty")
    faulty.apply(inline(source), entrypoint=entrypoint)
    faulty.wait_for_words(*words)
    assert kubectl.condition("domainbundle", faulty.name, "Ready")["status"] == "False"
    assert faulty.pods() == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"nodeSelectr": {"disk": "ssd"}}, "nodeSelectr: field not declared in schema"),
        (
            {"containers": [{"name": "runtime", "resources": {"limits": {"cpu": "much"}}}]},
            "quantities must match",
        ),
        ({"dnsPolicy": "Never"}, "dnsPolicy"),
    ],
    ids=["an unknown field", "no quantity", "no such value"],
)
def test_a_pod_template_that_no_pod_can_have_ends_in_a_condition(
    kubectl: Kubectl, cluster: Cluster, spec: dict[str, Any], words: str
) -> None:
    kubectl.apply(event_store())
    odd = Bank(kubectl, cluster, name="odd")
    odd.apply(CODE, podTemplate={"spec": spec})
    assert odd.wait_for_words(words)["reason"] == "ChildRefused"
