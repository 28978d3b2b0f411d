"""Pods come and go under load: partitions follow them, and nothing is lost or handled twice."""

from collections.abc import Callable, Sequence

import pytest

from tests.cluster import manifests
from tests.cluster.bank import SOURCE, Bank, Load, assert_nothing_lost_or_doubled, kill
from tests.cluster.clusters import Cluster
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl
from tests.faults.history import Effect, faults_of_effects

PARTITIONS = 4
ADDED = f'''
from chekov import Context, EventHandler


class Effects(Projection, name="effects"):
    """Adds a row for each deposit, whether there is one or not."""

    tables = """
        create table effects (
            number bigserial primary key, position bigint not null, stream text not null
        )
    """

    @handle
    async def deposited(self, event: MoneyDeposited, transaction: Transaction) -> None:
        transaction.write(
            "insert into effects (position, stream) values ($1, $2)",
            transaction.position,
            transaction.stream,
        )


class Notes(EventHandler, name="notes", partitions={PARTITIONS}):
    @handle
    async def deposited(self, event: MoneyDeposited, context: Context) -> None:
        pass


domain = Domain('''
SCALED = SOURCE.replace("\ndomain = Domain(", ADDED).replace(
    "handlers=[", "handlers=[Effects(), Notes(), "
)


@pytest.fixture(scope="module")
def bank(kubectl: Kubectl, cluster: Cluster) -> Bank:
    """The bank with one pod, and with a handler in partitions."""
    assert "Effects()" in SCALED
    found = Bank(kubectl, cluster)
    code = manifests.inline(SCALED)
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
    wait_for("everything to be handled", lambda: _are_all_handled(bank), timeout=60)
    streams = {
        event["position"]: event["stream"]
        for event in bank.history()
        if event["type"] == "money-deposited"
    }
    assert list(faults_of_effects(streams, _effects(bank))) == []
    assert bank.sql("select count(*) from chekov.parked") == "0"


def _are_shared(bank: Bank, pods: int) -> Callable[[], bool]:
    """Whether all partitions are owned by pods that are there, as evenly as can be."""

    def shared() -> bool:
        names = {pod["metadata"]["name"] for pod in bank.pods()}
        owners = bank.sql("select split_part(owner, '/', 1) from chekov.subscriptions").splitlines()
        counts = [owners.count(name) for name in names]
        return len(names) == pods and sum(counts) == len(owners) and max(counts) - min(counts) <= 1

    return shared


def _are_all_handled(bank: Bank) -> bool:
    lowest = "select min(position) from chekov.subscriptions"
    return bank.sql(lowest) == bank.sql("select max(position) from chekov.events")


def _effects(bank: Bank) -> Sequence[Effect]:
    [schema] = bank.sql("select schemaname from pg_tables where tablename = 'effects'").splitlines()
    rows = bank.sql(f'select number, position, stream from "{schema}".effects order by number')
    cells = (row.split("|") for row in rows.splitlines())
    return [Effect(int(number), int(position), stream) for number, position, stream in cells]
