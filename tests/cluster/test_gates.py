"""A revision that cannot read what is stored never serves, and the running one is not touched."""

import pytest

from tests.cluster import manifests
from tests.cluster.bank import SOURCE, Bank, Load, assert_nothing_lost_or_doubled
from tests.cluster.clusters import Cluster
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

EVENT = 'class MoneyDeposited(Event, name="money-deposited"):\n    amount: int\n'
UNREADABLE = EVENT + "    currency: str\n"
YIELD = "yield MoneyDeposited(amount=command.amount)"


def _unable() -> str:
    """The bank with a new field that stored events do not have."""
    assert SOURCE.count(EVENT) == SOURCE.count(YIELD) == 1
    code = SOURCE.replace(EVENT, UNREADABLE)
    return code.replace(YIELD, 'yield MoneyDeposited(amount=command.amount, currency="EUR")')


@pytest.fixture(scope="module")
def bank(kubectl: Kubectl, cluster: Cluster) -> Bank:
    found = Bank(kubectl, cluster)
    kubectl.apply(manifests.event_store(), manifests.bundle(found.name, manifests.inline(SOURCE)))
    found.wait_until_ready()
    found.wait_until_served()
    return found


def _uids(bank: Bank) -> set[str]:
    return {pod["metadata"]["uid"] for pod in bank.pods()}


def test_code_that_cannot_read_stored_events_never_serves(bank: Bank) -> None:
    serving, pods = bank.revision(), _uids(bank)
    load = Load(bank)
    load.start()
    try:
        load.wait_for_more(100)
        wait_for("the operator to see the events", lambda: _position(bank) > 0)
        bank.apply(manifests.inline(_unable()))
        bank.wait_for_words("money-deposited", "currency", "position")
        found = bank.kubectl.condition("domainbundle", bank.name, "SchemaCompatible")
        assert (found["status"], found["reason"]) == ("False", "Undecodable")
        assert "Object missing required field `currency`" in found["message"]
        load.wait_for_more(100)
        ledger = load.stop()
    finally:
        load.remove()
    assert (bank.revisions_of_pods(), _uids(bank)) == ({serving}, pods)
    assert ledger["failures"] == []
    assert_nothing_lost_or_doubled(bank, ledger)
    refused = [
        item
        for item in bank.kubectl.list("bundlerevision")
        if item["spec"]["revision"] != serving and item["spec"]["bundle"] == bank.name
    ]
    assert [item["status"]["phase"] for item in refused] == ["Refused"]
    assert refused[0]["status"]["gate"]["findings"][0]["type"] == "money-deposited"


def test_code_that_reads_them_serves_and_says_what_was_tried(bank: Bank) -> None:
    before = bank.revision()
    bank.apply(manifests.inline(SOURCE + "\n# the same code in other words\n"))
    bank.wait_until_rolled_out(after=before)
    found = bank.kubectl.condition("domainbundle", bank.name, "SchemaCompatible")
    assert (found["status"], found["reason"]) == ("True", "Readable"), found


def _position(bank: Bank) -> int:
    (store,) = bank.kubectl.list("eventstore")
    return int(store.get("status", {}).get("position") or 0)
