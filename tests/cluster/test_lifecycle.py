"""Deleted children are restored; children are deleted with their bundle; events are kept."""

from uuid import uuid4

import pytest

from tests.cluster.bank import SOURCE, Bank
from tests.cluster.kube.shell import wait_for
from tests.cluster.manifests import inline
from tests.cluster.test_walkthrough import CHILDREN


def _children(bank: Bank, kind: str) -> dict[str, str]:
    found = bank.kubectl.list(kind, f"chekov.dev/bundle={bank.name}")
    return {child["metadata"]["name"]: child["metadata"]["uid"] for child in found}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_deleted_child_comes_back(bank: Bank, kind: str) -> None:
    before = _children(bank, kind)
    for name in before:
        bank.kubectl.delete(kind, name)

    def back() -> bool:
        now = _children(bank, kind)
        return now.keys() == before.keys() and not set(now.values()) & set(before.values())

    wait_for(f"the {kind} to come back", back, timeout=60)
    bank.wait_until_ready()


def test_a_deleted_bundle_takes_its_children_and_leaves_its_events(bank: Bank) -> None:
    account = str(uuid4())
    body = {"account_id": account, "owner": "Ada"}
    wait_for("an answer", lambda: bank.command("OpenAccount", body).status == 200)
    count = "select count(*) from chekov.events"
    events = bank.sql(count)
    assert int(events) > 0
    bank.kubectl.delete("domainbundle", bank.name)

    def gone() -> bool:
        return not any(_children(bank, kind) for kind in (*CHILDREN, "pods"))

    wait_for("the children to be gone", gone, timeout=90)
    assert bank.sql(count) == events
    bank.apply(inline(SOURCE))
    bank.wait_until_served()
    stored = bank.call("GET", f"/streams/account-{account}").json()["events"]
    assert [event["type"] for event in stored] == ["AccountOpened"]
