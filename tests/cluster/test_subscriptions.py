"""Subscriptions and Replays in kubectl: suspended, resumed, built again, retried, discarded."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.cluster import manifests
from tests.cluster.bank import Bank
from tests.cluster.kube.shell import wait_for

CSUB = "subscriptions.chekov.dev"
QUICK = [{"name": "balances", "retry": {"attempts": 1}}]
TOO_MUCH = 2**63


@pytest.fixture(scope="module")
def served(bank: Bank) -> Bank:
    """The bank, whose projection parks an event after its first failure."""
    bank.kubectl.patch("domainbundle", bank.name, {"spec": {"subscriptions": QUICK}})
    bank.wait_until_served()
    for name in ("balances", "interest", "transfer"):
        bank.kubectl.run("wait", "--for=create", f"{CSUB}/bank-{name}", "--timeout=60s")
        bank.kubectl.wait("condition=Ready", f"{CSUB}/bank-{name}")
    return bank


def _open(bank: Bank) -> str:
    account = str(uuid4())
    answer = bank.command("OpenAccount", {"account_id": account, "owner": "Ada"})
    assert answer.status == 200, answer
    return account


def _deposit(bank: Bank, account: str, amount: int) -> int:
    answer = bank.command("Deposit", {"account_id": account, "amount": amount})
    assert answer.status == 200, answer
    return answer.json()["position"]


def _status(bank: Bank, name: str = "bank-balances") -> Mapping[str, Any]:
    found: Mapping[str, Any] = bank.kubectl.get(CSUB, name).get("status", {})
    return found


def _position(bank: Bank, handler: str = "balances") -> int:
    of = f"from chekov.subscriptions where name = '{handler}' and not building"
    return int(bank.sql(f"select min(position) {of}"))


def _balance(bank: Bank, account: str) -> int:
    return bank.call("GET", f"/queries/balances/balance?account=account-{account}").json()


def _replay(bank: Bank, name: str, **spec: Any) -> None:
    given = {"subscriptionRef": {"name": "bank-balances"}, **spec}
    bank.kubectl.apply(manifests.named("Replay", "chekov.dev/v1alpha1", name, spec=given))


def _completed(bank: Bank, name: str, **spec: Any) -> Mapping[str, Any]:
    _replay(bank, name, **spec)
    bank.kubectl.wait("condition=Complete", f"replay/{name}", timeout=90)
    status: Mapping[str, Any] = bank.kubectl.get("replay", name)["status"]
    return status


def _refused(bank: Bank, name: str, **spec: Any) -> str:
    _replay(bank, name, **spec)
    bank.kubectl.wait("condition=Failed", f"replay/{name}")
    return str(bank.kubectl.condition("replay", name, "Failed")["reason"])


def _parked(bank: Bank, number: int) -> None:
    wait_for("parked events in the status", lambda: _status(bank).get("parked") == number)


def test_each_handler_is_listed(served: Bank) -> None:
    kinds = {
        item["spec"]["handler"]: (item["spec"]["kind"], item["metadata"]["name"])
        for item in served.kubectl.list(CSUB, f"chekov.dev/bundle={served.name}")
    }
    assert kinds == {
        "balances": ("projection", "bank-balances"),
        "interest": ("handler", "bank-interest"),
        "transfer": ("process", "bank-transfer"),
    }
    heads, *rows = served.kubectl.run("get", "csub").splitlines()
    assert heads.split() == ["NAME", "STATE", "READY", "LAG", "PARKED", "OWNERS", "AGE"]
    assert {row.split()[5] for row in rows} == {"1/1"}


def test_a_suspended_subscription_stays_until_it_is_resumed(served: Bank) -> None:
    account = _open(served)
    _deposit(served, account, 5)
    wait_for("the first deposit", lambda: _balance(served, account) == 5)
    served.kubectl.patch(CSUB, "bank-balances", {"spec": {"suspend": True}})
    served.kubectl.wait("condition=Suspended", f"{CSUB}/bank-balances")
    assert _status(served)["pausedBy"].startswith("Subscription test-subscriptions-")
    before = _position(served)
    _deposit(served, account, 7)
    _deposit(served, account, 9)
    served.kubectl.wait("jsonpath={.status.lag}=2", f"{CSUB}/bank-balances")
    assert (_position(served), _balance(served, account)) == (before, 5)
    served.kubectl.patch(CSUB, "bank-balances", {"spec": {"suspend": False}})
    wait_for("the other deposits", lambda: _balance(served, account) == 21)
    served.kubectl.wait("condition=Suspended=False", f"{CSUB}/bank-balances")
    served.kubectl.wait("condition=Ready", f"{CSUB}/bank-balances")


def test_what_others_paused_is_resumed_by_a_new_nonce(served: Bank) -> None:
    words = ("chekov", "subscriptions", "pause", "balances")
    served.kubectl.exec("service/bank", *words)
    served.kubectl.wait("condition=Suspended", f"{CSUB}/bank-balances")
    assert _status(served)["pausedBy"] == "chekov subscriptions pause"
    served.kubectl.patch(CSUB, "bank-balances", {"spec": {"resumeNonce": "once"}})
    served.kubectl.wait("condition=Ready", f"{CSUB}/bank-balances")
    assert _status(served)["resumedNonce"] == "once"


@pytest.mark.parametrize("mode", ["Beside", "InPlace"])
def test_a_read_model_is_built_again(served: Bank, mode: str) -> None:
    account = _open(served)
    _deposit(served, account, 8)
    wait_for("the deposit", lambda: _balance(served, account) == 8)
    served.sql(
        "update "
        + served.sql("select schema_name from chekov.generations where state = 'serving'")
        + f".balances set balance = 99 where account = 'account-{account}'"
    )
    assert _balance(served, account) == 99
    status = _completed(served, f"build-{mode.lower()}", **{"from": "origin"}, mode=mode)
    assert (status["phase"], status["percent"]) == ("Complete", 100)
    wait_for("the balance from the events", lambda: _balance(served, account) == 8)


def test_an_event_handler_begins_again_in_place(served: Bank) -> None:
    wait_for("a checkpoint", lambda: _position(served, "interest") > 0)
    target = {"name": "bank-interest"}
    assert _refused(served, "beside", subscriptionRef=target, **{"from": "origin"}) == (
        "NotReplayable"
    )
    before = _position(served, "interest")
    status = _completed(
        served, "again", subscriptionRef=target, **{"from": "origin"}, mode="InPlace"
    )
    assert (status["start"], status["percent"]) == (0, 100)
    assert status["target"] >= before


def test_what_cannot_be_done_is_refused(served: Bank) -> None:
    manager = {"name": "bank-transfer"}
    assert _refused(served, "manager", subscriptionRef=manager, **{"from": "origin"}) == (
        "NotReplayable"
    )
    assert _refused(served, "nothing", retry={"keys": ["account-9"]}) == "NothingParked"
    assert _refused(served, "beyond", **{"from": "999999"}) == "BeyondTheEnd"


def test_parked_events_are_retried_and_discarded(served: Bank) -> None:
    first, second = _open(served), _open(served)
    for account in (first, second):
        _deposit(served, account, TOO_MUCH)
    _deposit(served, second, 3)
    _parked(served, 3)
    assert served.kubectl.condition(CSUB, "bank-balances", "Degraded")["reason"] == "EventsParked"
    fingerprint = served.sql("select distinct fingerprint from chekov.parked where state='failed'")
    status = _completed(served, "retry", retry={"fingerprint": fingerprint})
    assert status["counts"] == {"retried": 2, "handled": 0, "failedAgain": 2}
    key = f"account-{first}"
    status = _completed(
        served, "discard-one", discard={"keys": [key], "reason": "typed by mistake"}
    )
    assert status["counts"] == {"discarded": 1}
    fingerprint = served.sql("select distinct fingerprint from chekov.parked where state='failed'")
    _completed(
        served, "discard-rest", discard={"fingerprint": fingerprint, "reason": "typed by mistake"}
    )
    _parked(served, 0)
    wait_for("what waited for it", lambda: _balance(served, second) == 3)
    reasons = served.sql("select distinct reason from chekov.discarded order by reason")
    assert "typed by mistake (Replay test-subscriptions-" in reasons
    events = served.kubectl.run("get", "events", "--field-selector=reason=EventsParked")
    assert "subscription/bank-balances" in events
