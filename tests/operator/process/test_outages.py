"""Databases that do not answer: they delay nobody but their own bundles."""

from chekov_operator.kube.kinds import STORE
from tests.operator.process.running import PATIENCE, Cluster
from tests.waiting import until

WORKERS = 2
DEAD = 5 * WORKERS


async def test_dead_databases_delay_no_other_bundle(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator(workers=str(WORKERS)):
        await cluster.ready(bank)
        for number in range(DEAD):
            name, host = f"dead-{number}", f"hole-{number}.example"
            cluster.black_hole(host)
            cluster.store(name, host=host)
            cluster.bundle(name, eventStoreRef={"name": name})
        await until(lambda: cluster.api.unanswered == DEAD, PATIENCE)
        cluster.bundle(replicas=5)
        await cluster.ready(bank)
        live = cluster.deployment()
        assert live is not None
        assert live["spec"]["replicas"] == 5
        assert cluster.api.unanswered == DEAD


async def test_an_outage_is_told_and_ends(cluster: Cluster) -> None:
    cluster.store()
    bank, main = cluster.bundle(), STORE.path("shops", "main")
    async with cluster.operator(refresh_seconds="1"):
        await cluster.ready(bank)
        cluster.no_database("db.example")
        await until(lambda: cluster.condition(main)[1] == "Unreachable", PATIENCE)
        await until(lambda: cluster.condition(bank)[1] == "EventStoreNotReady", PATIENCE)
        cluster.database("db.example")
        await cluster.ready(main)
        await cluster.ready(bank)
