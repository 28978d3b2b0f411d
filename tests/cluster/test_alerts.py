"""Alerts fire for real, once something is really broken.

Prometheus evaluates the chart's alerts with limits of 0 and without their pauses, so that a symptom
counts as soon as it is there. The certificate's limit stays: the one here is valid for two days.
"""

import itertools
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from dashboards.prometheus import Prometheus
from tests.cluster import chart, letters, manifests
from tests.cluster.bank import SOURCE, Bank, Load
from tests.cluster.kube.shell import GaveUp, wait_for
from tests.cluster.kubectl import Kubectl
from tests.cluster.manifests import inline
from tests.cluster.prometheus import rules
from tests.integration.certificates import make_authority, make_certificate

LIMITS = (
    "failureRatio",
    "commandSeconds",
    "lagSeconds",
    "processSeconds",
    "connectionRatio",
    "reconcileFailureRatio",
    "queueSeconds",
)
FATAL, PARKED, STOPPING, UNPAYABLE = 13, 17, 19, 23
"""Amounts that the bank below fails on."""
CROWD = 60
"""Stores, of which the operator reconciles 16 at a time."""

_HANDLERS = f"""
from chekov import Retry


class Receipts(EventHandler, name="receipts", retry=Retry(attempts=1)):
    @handle
    async def deposited(self, event: MoneyDeposited, context: Context) -> None:
        if event.amount == {PARKED}:
            raise RuntimeError("the printer is on fire")


class Audit(EventHandler, name="audit", on_failure="stop", retry=Retry(attempts=1)):
    @handle
    async def deposited(self, event: MoneyDeposited, context: Context) -> None:
        if event.amount == {STOPPING}:
            raise RuntimeError("this cannot be audited")


domain = Domain("""
FRAGILE = (
    SOURCE.replace("\ndomain = Domain(", _HANDLERS)
    .replace("handlers=[", "handlers=[Receipts(), Audit(), ")
    .replace(
        "        yield MoneyDeposited(",
        f"        if command.amount == {FATAL}:\n"
        '            raise RuntimeError("out of luck")\n'
        "        yield MoneyDeposited(",
    )
    .replace(
        "        yield TransferReceived(",
        f"        if command.amount == {UNPAYABLE}:\n"
        '            raise RuntimeError("the other bank is closed")\n'
        "        yield TransferReceived(",
    )
)


@pytest.fixture(scope="module")
def alerts() -> manifests.Manifest:
    found = rules(*(f"prometheusRule.thresholds.{limit}=0" for limit in LIMITS))
    for group in found["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return found


@pytest.fixture(scope="module")
def damaged(bank: Bank) -> None:
    """A log without the events of one account: an administrator can do what the store refuses."""
    account = str(uuid4())
    answer = bank.command("OpenAccount", {"account_id": account, "owner": "Ada"})
    assert answer.status == 200, answer
    open_account(bank)  # the last position of the log stays
    bank.sql(
        "set session_replication_role = replica;"
        f"delete from chekov.events where position = {answer.json()['position']};"
        f"delete from chekov.streams where name = 'account-{account}'"
    )


@pytest.fixture(scope="module")
def fragile(bank: Bank, damaged: None) -> Bank:
    """The bank with code that fails on some amounts, whose handlers begin at the origin."""
    before = bank.revision()
    bank.apply(inline(FRAGILE))
    bank.wait_until_rolled_out(after=before)
    bank.wait_until_served()
    return bank


def open_account(bank: Bank) -> str:
    account = str(uuid4())
    answer = bank.command("OpenAccount", {"account_id": account, "owner": "Ada"})
    assert answer.status == 200, answer
    return account


def deposit(bank: Bank, amount: int) -> int:
    return bank.command("Deposit", {"account_id": open_account(bank), "amount": amount}).status


def wait_until_fires(
    observed: Prometheus, alert: str, labels: Mapping[str, str], *, timeout: float = 120
) -> None:
    """Wait for an alert with these labels."""
    wanted = {"alertname": f"Chekov{alert}", **labels}.items()
    seen: list[dict[str, str]] = []

    def fires() -> bool:
        seen[:] = observed.alerts("firing")
        return any(wanted <= each.items() for each in seen)

    try:
        wait_for(f"the alert {alert}", fires, timeout=timeout)
    except GaveUp as error:
        error.add_note(f"firing: {seen}")
        raise


def of(bank: Bank, **labels: str) -> dict[str, str]:
    return {"namespace": bank.kubectl.namespace, "bundle": bank.name, **labels}


def named(bank: Bank, name: str) -> dict[str, str]:
    return {"namespace": bank.kubectl.namespace, "name": name}


def test_slow_commands(bank: Bank, observed: Prometheus) -> None:
    load = Load(bank)
    load.start()
    wait_until_fires(observed, "CommandsSlow", of(bank))
    load.stop()


def test_connections(bank: Bank, observed: Prometheus) -> None:
    wait_until_fires(observed, "StoreConnectionsHigh", named(bank, "main"))


def test_failing_commands(fragile: Bank, observed: Prometheus) -> None:
    account = open_account(fragile)

    def fires() -> bool:
        body = {"account_id": account, "amount": FATAL}
        assert fragile.command("Deposit", body).status == 500
        labels = {"alertname": "ChekovCommandsFailing", **of(fragile)}.items()
        return any(labels <= each.items() for each in observed.alerts("firing"))

    wait_for("the alert", fires, timeout=120)


def test_parked_events(fragile: Bank, observed: Prometheus) -> None:
    assert deposit(fragile, PARKED) == 200
    wait_until_fires(observed, "EventsParked", of(fragile, subscription="receipts"))


def test_a_stopped_subscription_and_its_lag(fragile: Bank, observed: Prometheus) -> None:
    assert deposit(fragile, STOPPING) == 200
    wait_until_fires(observed, "SubscriptionStopped", of(fragile, subscription="audit"))
    wait_until_fires(observed, "SubscriptionLagging", of(fragile, subscription="audit"))


def test_a_stuck_process_manager(fragile: Bank, observed: Prometheus) -> None:
    source, target = open_account(fragile), open_account(fragile)
    fragile.command("Deposit", {"account_id": source, "amount": 100})
    transfer = {"transfer_id": str(uuid4()), "source": source, "target": target}
    answer = fragile.command("RequestTransfer", {**transfer, "amount": UNPAYABLE})
    assert answer.status == 200, answer
    wait_until_fires(observed, "ProcessStuck", of(fragile, subscription="transfer"))


def test_a_damaged_history(fragile: Bank, observed: Prometheus) -> None:
    wait_until_fires(observed, "HistoryDamaged", of(fragile))


def test_a_certificate_that_expires(bank: Bank, observed: Prometheus, tmp_path: Path) -> None:
    made = make_certificate(make_authority(tmp_path, "authority"), "letters", "DNS:letters")
    files = (f"--cert={made}", f"--key={made.with_suffix('.key')}")
    bank.kubectl.run("create", "secret", "tls", "letters", *files)
    follower = letters.apply(bank, replicas=1, tls={"secretRef": {"name": "letters"}})
    wait_until_fires(observed, "CertificateNotRenewed", of(follower))
    bank.kubectl.delete("domainbundle", follower.name)


def test_a_bundle_that_is_not_ready(bank: Bank, observed: Prometheus) -> None:
    other = Bank(bank.kubectl, bank.cluster, name="unready")
    missing = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "missing", "key": "key"}}}
    other.apply(inline(SOURCE), env=[missing])
    wait_until_fires(observed, "BundleNotReady", named(bank, other.name))
    bank.kubectl.delete("domainbundle", other.name)


def test_a_store_that_is_not_ready(bank: Bank, observed: Prometheus) -> None:
    bank.kubectl.apply(manifests.event_store("elsewhere", key="missing"))
    wait_until_fires(observed, "StoreNotReady", named(bank, "elsewhere"))
    bank.kubectl.delete("eventstore", "elsewhere")


def test_a_queue_that_waits(bank: Bank, observed: Prometheus) -> None:
    """Stores of one Secret are queued together when it changes, for fewer workers than stores."""
    crowd = [manifests.event_store(f"crowd-{number}", secret="crowd") for number in range(CROWD)]
    bank.kubectl.apply(manifests.secret("crowd", dsn="none"), *crowd)
    contents = itertools.cycle(({"dsn": "nothing"}, {"other": "none"}))
    fired = 'max_over_time(ALERTS{alertname="ChekovOperatorQueueStuck", alertstate="firing"}[5m])'

    def fires() -> bool:
        bank.kubectl.delete("secret", "crowd")
        bank.kubectl.apply(manifests.secret("crowd", **next(contents)))
        return observed.number(fired) is not None

    wait_for("the alert", fires, timeout=120)
    bank.kubectl.run(
        "delete", "eventstores", "--wait=false", *(each["metadata"]["name"] for each in crowd)
    )


def test_a_failing_operator(bank: Bank, system: Kubectl, observed: Prometheus) -> None:
    with _without(system, "clusterrolebinding", "chekov-operator"):
        # The bundle has to change, for the operator to need its rights.
        bank.kubectl.delete("service", bank.name)
        labels = {"kind": "DomainBundle", "namespace": chart.NAMESPACE}
        wait_until_fires(observed, "OperatorFailing", labels)
    wait_for("the Service to be made again", lambda: bank.kubectl.exists("service", bank.name))


@contextmanager
def _without(kubectl: Kubectl, kind: str, name: str) -> Generator[None]:
    """Take an object away, and give it back."""
    kept = kubectl.get(kind, name)
    kubectl.delete(kind, name)
    try:
        yield
    finally:
        metadata: dict[str, Any] = {"name": name, "labels": kept["metadata"].get("labels", {})}
        annotations = kept["metadata"].get("annotations", {})
        kubectl.apply({**kept, "metadata": {**metadata, "annotations": annotations}})


def test_an_operator_that_is_down(bank: Bank, system: Kubectl, observed: Prometheus) -> None:
    system.run("scale", "deployment/chekov", "--replicas=0")
    try:
        wait_until_fires(observed, "OperatorDown", {"namespace": chart.NAMESPACE})
    finally:
        system.run("scale", "deployment/chekov", "--replicas=2")
        system.run("rollout", "status", "deployment/chekov", "--timeout=60s")


def test_a_stuck_rollout(bank: Bank, observed: Prometheus) -> None:
    nowhere = {"requests": {"cpu": "1000"}}
    bank.apply(inline(SOURCE), resources=nowhere)
    wait_until_fires(observed, "RolloutStuck", named(bank, bank.name), timeout=270)
