"""Other writers that never give in: the operator slows down, and says so."""

from chekov_operator.kube.kinds import DEPLOYMENT, LEASE
from tests.operator.process.running import PATIENCE, Cluster
from tests.waiting import until


def deployment_path(cluster: Cluster) -> str:
    live = cluster.deployment()
    assert live is not None
    return DEPLOYMENT.path("shops", live["metadata"]["name"])


def fight(cluster: Cluster) -> list[int]:
    """Change the replicas of the bank's Deployment whenever they are set back; count the fights."""
    rounds = [0]
    path_of_pods = deployment_path(cluster)
    play = cluster.api.after_write

    def change(path: str) -> None:
        play(path)
        live = cluster.api.objects[path]
        if path == path_of_pods and live["spec"]["replicas"] != 7:
            rounds[0] += 1
            cluster.api.put(path, {**live, "spec": {**live["spec"], "replicas": 7}})

    cluster.api.after_write = change
    change(path_of_pods)
    return rounds


async def test_a_fight_over_a_field_is_told_and_no_hot_loop(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        rounds = fight(cluster)
        await until(lambda: cluster.condition(bank, "Degraded")[1] == "FieldContested", PATIENCE)
        name = deployment_path(cluster).rpartition("/")[2]
        words = f"spec.replicas of the Deployment {name!r}"
        assert words in cluster.condition(bank, "Degraded")[2]
        # The bundle is served on: another of its changes is applied meanwhile.
        before = rounds[0]
        cluster.bundle(service={"type": "NodePort"})
        service = "/api/v1/namespaces/shops/services/bank"
        await until(lambda: cluster.api.objects[service]["spec"]["type"] == "NodePort", PATIENCE)
        assert rounds[0] - before <= 2


async def test_leases_of_others_keep_nobody_from_leading(cluster: Cluster) -> None:
    labels = {"chekov.dev/scope": "cluster", "app.kubernetes.io/name": "chekov-operator"}
    spec = {"holderIdentity": "tenant", "leaseDurationSeconds": 86400}
    for namespace in ("tenant", "shops"):
        path = LEASE.path(namespace, "chekov-operator")
        cluster.api.put(path, {"metadata": {"labels": labels}, "spec": spec})
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator(namespace="chekov-system"):
        await cluster.ready(bank)
    assert not [
        request
        for request in cluster.api.requests
        if f"/{LEASE.plural}" in request.path
        and request.path.partition("/namespaces/")[2].partition("/")[0] != "chekov-system"
    ]
