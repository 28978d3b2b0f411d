"""A release that stores an event in a newer revision rolls out next to one that cannot read it."""

from uuid import uuid4

import pytest

from chekov_operator.kube.objects import condition_of
from tests.cluster import manifests
from tests.cluster.bank import API_PORT, Answer, Bank, Load, assert_nothing_lost_or_doubled
from tests.cluster.clusters import Cluster
from tests.cluster.effects import NOTING, assert_each_deposit_had_its_effect
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

PLAIN = "money-deposited"
REVISED = "money-deposited@2"
EVENT = 'class MoneyDeposited(Event, name="money-deposited"):\n    amount: int\n'
NEW_EVENT = """
class MoneyDeposited(Event, name="money-deposited", revision=2):
    amount: int
    currency: str


@upcast("money-deposited", to=MoneyDeposited)
def with_currency(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {**data, "currency": "EUR"}
"""
CHANGES = {
    EVENT: NEW_EVENT.lstrip(),
    "yield MoneyDeposited(amount=command.amount)": (
        'yield MoneyDeposited(amount=command.amount, currency="EUR")'
    ),
    "    Identifier,\n": "    Identifier,\n    Origin,\n    upcast,\n",
    'domain = Domain(\n    "bank",': 'domain = Domain(\n    "bank", upcasters=[with_currency],',
}


def _newer() -> str:
    code = NOTING
    for old, new in CHANGES.items():
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


@pytest.fixture(scope="module")
def bank(kubectl: Kubectl, cluster: Cluster) -> Bank:
    """The bank with two pods, in the release that stores the event in its first revision."""
    found = Bank(kubectl, cluster)
    code = manifests.inline(NOTING)
    kubectl.apply(manifests.event_store(), manifests.bundle(found.name, code))
    found.wait_until_ready()
    found.wait_until_served()
    return found


def test_older_pods_leave_a_newer_revision_to_newer_ones(bank: Bank) -> None:
    before = bank.revision()
    ours, theirs = str(uuid4()), str(uuid4())
    for account in (ours, theirs):
        assert bank.command("OpenAccount", {"account_id": account, "owner": "A"}).status == 200
    load = Load(bank)
    load.start()
    try:
        bank.apply(manifests.inline(_newer()))
        older, newer = _one_of_each(bank, before)
        assert _deposit(bank, newer, ours).status == 200
        refused = _deposit(bank, older, ours)
        assert (refused.status, refused.json()["type"]) == (
            503,
            "urn:chekov:problem:newer-revision",
        )
        assert _deposit(bank, older, theirs).status == 200
        bank.kubectl.run("annotate", _bundle(bank), "chekov.dev/paused-")
        bank.wait_until_rolled_out(after=before)
        load.wait_for_more(100)
        ledger = load.stop()
    finally:
        load.remove()
    # Nobody is left to wonder: what an older pod could not read, it refused.
    assert ledger["unknown"] == [], ledger["failures"]
    assert all("newer-revision" in line for line in ledger["failures"]), ledger["failures"]
    assert_nothing_lost_or_doubled(bank, ledger)
    assert_each_deposit_had_its_effect(bank)
    types = [event["type"] for event in bank.history()]
    assert PLAIN in types[types.index(REVISED) :], "no older pod stored next to a newer one"


def _bundle(bank: Bank) -> str:
    return f"domainbundle/{bank.name}"


def _one_of_each(bank: Bank, before: str) -> tuple[str, str]:
    """The addresses of an older and of a newer pod, of a rollout that is held between the two."""
    wait_for("a newer pod", lambda: len(bank.revisions_of_pods()) == 2)
    bank.kubectl.run("annotate", _bundle(bank), "chekov.dev/paused=true")

    def ready(*, newer: bool) -> list[str]:
        return [
            pod["status"]["podIP"]
            for pod in bank.pods()
            if (pod["metadata"]["labels"]["chekov.dev/revision"] != before) is newer
            and condition_of(pod, "Ready").get("status") == "True"
        ]

    wait_for("one of each to be ready", lambda: bool(ready(newer=True) and ready(newer=False)))
    return ready(newer=False)[0], ready(newer=True)[0]


def _deposit(bank: Bank, address: str, account: str) -> Answer:
    """Deposit at one pod, past the Service."""
    url = f"http://{address}:{API_PORT}/commands/Deposit"
    return bank.fetch("POST", url, {"account_id": account, "amount": 1})
