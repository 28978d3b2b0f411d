"""kill -9 during a load: nothing acknowledged is lost, and nothing is stored twice."""

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.bank import Bank, Load, assert_nothing_lost_or_doubled, kill
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl


@pytest.fixture
def load(bank: Bank) -> Iterator[Load]:
    found = Load(bank)
    found.start()
    yield found
    found.remove()


def test_a_killed_pod_of_the_bank_loses_nothing(bank: Bank, load: Load, killer: Kubectl) -> None:
    kill(bank.kubectl, bank.pods()[0], killer)
    load.wait_for_more(200)
    bank.wait_until_ready()
    assert_nothing_lost_or_doubled(bank, load.stop())


def test_the_owner_of_a_projection_is_replaced_when_killed(
    bank: Bank, load: Load, killer: Kubectl
) -> None:
    kill(bank.kubectl, _owner(bank), killer)
    load.wait_for_more(200)
    assert_nothing_lost_or_doubled(bank, load.stop())


def test_a_killed_postgres_loses_nothing(bank: Bank, load: Load, killer: Kubectl) -> None:
    kill(bank.kubectl, bank.kubectl.get("pod", "postgres-0"), killer)
    load.wait_for_more(200)
    bank.wait_until_ready()
    assert_nothing_lost_or_doubled(bank, load.stop())


def test_a_killed_operator_disturbs_nobody_and_goes_on(
    bank: Bank, load: Load, killer: Kubectl, system: Kubectl
) -> None:
    for pod in system.list("pods", "app.kubernetes.io/name=chekov-operator"):
        kill(system, pod, killer)
    load.wait_for_more(200)
    bank.kubectl.patch("domainbundle", bank.name, {"spec": {"replicas": 3}})
    wait_for("a third pod", _ready(bank, "3/3"), timeout=90)
    ledger = load.stop()
    assert (ledger["refused"], ledger["unknown"]) == (0, []), ledger["failures"]
    assert_nothing_lost_or_doubled(bank, ledger)


def _ready(bank: Bank, wanted: str) -> Callable[[], bool]:
    def ready() -> bool:
        return bank.kubectl.get("domainbundle", bank.name)["status"].get("ready") == wanted

    return ready


def _owner(bank: Bank) -> dict[str, object]:
    """The pod that owns the projection, without the name of its process."""

    def owner() -> str:
        status = bank.kubectl.get("domainbundle", bank.name)["status"]
        owners = [found.get("owner", "") for found in status["subscriptions"]]
        return owners[0].partition("/")[0] if owners else ""

    names = [pod["metadata"]["name"] for pod in bank.pods()]
    wait_for("the owner in the status", lambda: owner() in names)
    return bank.kubectl.get("pod", owner())
