"""Other writers that never give in: the operator slows down, and says so."""

from chekov_operator.kube.kinds import DEPLOYMENT
from tests.operator.process.running import PATIENCE, Cluster
from tests.operator.samples import RUNTIME_IMAGE
from tests.waiting import until

BANK = DEPLOYMENT.path("shops", "bank")


def fight(cluster: Cluster) -> list[int]:
    """Change the replicas of the bank's Deployment whenever they are set back; count the fights."""
    rounds = [0]
    play = cluster.api.after_write

    def change(path: str) -> None:
        play(path)
        live = cluster.api.objects[path]
        if path == BANK and live["spec"]["replicas"] != 7:
            rounds[0] += 1
            cluster.api.put(path, {**live, "spec": {**live["spec"], "replicas": 7}})

    cluster.api.after_write = change
    change(BANK)
    return rounds


async def test_a_fight_over_a_field_is_told_and_no_hot_loop(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        rounds = fight(cluster)
        await until(lambda: cluster.condition(bank, "Degraded")[1] == "FieldContested", PATIENCE)
        assert "spec.replicas of the Deployment 'bank'" in cluster.condition(bank, "Degraded")[2]
        # The bundle is served on: another of its changes is applied meanwhile.
        before = rounds[0]
        cluster.bundle(service={"type": "NodePort"})
        service = "/api/v1/namespaces/shops/services/bank"
        await until(lambda: cluster.api.objects[service]["spec"]["type"] == "NodePort", PATIENCE)
        assert rounds[0] - before <= 2


async def test_a_second_release_for_all_namespaces_does_not_lead(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator(name="one", namespace="first"):
        await cluster.ready(bank)
        async with cluster.operator(
            name="two", namespace="second", runtime_image="registry.example/chekov:2"
        ) as second:

            async def refused() -> bool:
                status, text = await second.probe("/readyz")
                return status == 503 and "first/chekov-operator" in text

            await until(refused, PATIENCE)
            cluster.bundle(replicas=3)
            await cluster.ready(bank)
            live = cluster.deployment()
            assert live is not None
            (container,) = live["spec"]["template"]["spec"]["containers"]
            assert container["image"] == RUNTIME_IMAGE
