"""A Postgres server that runs out of connections, seen by the whole operator as a process."""

from chekov_operator.kube.kinds import STORE
from chekov_operator.kube.objects import nested
from tests.operator.process.running import PATIENCE, Cluster
from tests.waiting import until

LIMIT = 97


async def test_a_rollout_waits_until_the_server_has_connections_left(cluster: Cluster) -> None:
    cluster.database("db.example", connections=20, connection_limit=LIMIT)
    cluster.store()
    rollout = {"progressDeadlineSeconds": 10}
    bank = cluster.bundle(rollout=rollout)

    def status(path: str, *names: str) -> object:
        return nested(cluster.api.objects[path], "status", *names)

    async with cluster.operator(refresh_seconds="1") as operator:

        async def is_read() -> bool:
            metrics = (await operator.probe("/metrics"))[1].splitlines()
            used = [
                line for line in metrics if line.startswith("chekov_operator_store_connections{")
            ]
            return bool(used) and used[0].endswith(" 90.0")

        await cluster.ready(bank)
        serving = status(bank, "completedRevision")
        cluster.database("db.example", connections=90, connection_limit=LIMIT)
        store = STORE.path("shops", "main")
        await until(is_read, PATIENCE)
        cluster.bundle(rollout=rollout, restartNonce="new", compatibility="Skip")
        await until(lambda: cluster.condition(bank, "Stalled")[1] == "Connections", PATIENCE)
        assert "7 left of 97" in cluster.condition(bank, "Stalled")[2]
        assert status(bank, "completedRevision") == serving
        await until(lambda: status(store, "connections", "needed") == 15, PATIENCE)
        assert status(store, "connections", "used") == 90
        cluster.database("db.example", connections=20, connection_limit=LIMIT)
        await cluster.ready(bank)
        assert status(bank, "completedRevision") != serving
        await until(lambda: status(store, "connections") == {"limit": LIMIT}, PATIENCE)
