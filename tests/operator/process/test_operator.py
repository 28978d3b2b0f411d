"""The whole operator as a process with kopf and real watches, from nothing to pods that serve."""

import signal

from chekov_operator.kube.kinds import DEPLOYMENT, LEASE, SERVICE, STORE
from tests.operator.process.running import PATIENCE, Cluster
from tests.operator.scene import FINE
from tests.waiting import until


async def test_a_bundle_is_brought_to_where_it_serves(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator() as operator:
        await cluster.ready(STORE.path("shops", "main"))
        await cluster.ready(bank)
        assert (await operator.probe("/readyz"))[0] == 200
        assert await operator.stop() == 0


async def test_the_status_has_every_part_of_a_large_domain(cluster: Cluster) -> None:
    events = [f"SomethingHappened{number}" for number in range(500)]
    cluster.kubelet.result = {**FINE, "events": events}
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
    assert cluster.api.objects[bank]["status"]["events"] == sorted(events)


async def test_a_check_whose_pod_may_not_be_made_says_why(cluster: Cluster) -> None:
    words = "pods is forbidden: maximum memory usage per Container is 256Mi"
    cluster.kubelet.forbidden = words
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        # The missing pod may be reported before its cause is known.
        await until(lambda: words in cluster.condition(bank)[2], PATIENCE)
        assert cluster.condition(bank)[1] == "PodNotCreated"
        assert words in cluster.condition(bank, "Degraded")[2]
        cluster.kubelet.forbidden = ""
        cluster.bundle(jobs={"resources": {"limits": {"memory": "128Mi"}}})
        await cluster.ready(bank)


async def test_changes_are_seen_by_watches(cluster: Cluster) -> None:
    async with cluster.operator() as operator:
        await until(lambda: operator.logged("leading"))
        cluster.store()
        bank = cluster.bundle()
        await cluster.ready(bank)
        cluster.bundle(replicas=4)
        await cluster.ready(bank)
        live = cluster.deployment()
        assert live is not None
        assert live["spec"]["replicas"] == 4


async def test_a_deleted_child_comes_back(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        path = SERVICE.path("shops", "bank")
        uid = cluster.api.objects[path]["metadata"]["uid"]
        cluster.api.remove(path)
        await until(
            lambda: (
                cluster.api.objects.get(path, {}).get("metadata", {}).get("uid") not in (None, uid)
            )
        )


async def test_watches_that_are_cut_begin_again_without_a_gap(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        cluster.api.watches.cut()
        cluster.bundle(replicas=3)
        await cluster.ready(bank)
        live = cluster.deployment()
        assert live is not None
        assert live["spec"]["replicas"] == 3


async def test_an_outage_of_the_api_server_is_survived(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator() as operator:
        await cluster.ready(bank)
        cluster.api.away = True
        cluster.api.watches.cut()
        cluster.bundle(replicas=3)
        await until(lambda: operator.logged("Lease could not"))
        cluster.api.away = False
        await cluster.ready(bank)
        live = cluster.deployment()
        assert live is not None
        assert live["spec"]["replicas"] == 3


async def test_another_replica_takes_over_after_a_kill(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    lease = LEASE.path("default", "chekov-operator")
    async with cluster.operator(name="one", lease_seconds="3") as one:
        await cluster.ready(bank)
        async with cluster.operator(name="two", lease_seconds="3"):
            await one.stop(signal.SIGKILL)
            cluster.bundle(replicas=3)
            await cluster.ready(bank)
            assert cluster.api.objects[lease]["spec"]["holderIdentity"] == "two"


async def test_a_new_revision_takes_the_place_of_the_old_one(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle(replicas=3)
    async with cluster.operator():
        await cluster.ready(bank)
        old = cluster.deployment()
        cluster.bundle(replicas=3, restartNonce="new")
        await cluster.ready(bank)
        new = cluster.deployment()
        assert old is not None
        assert new is not None
        assert new["metadata"]["name"] != old["metadata"]["name"]
        before = cluster.api.objects[DEPLOYMENT.path("shops", old["metadata"]["name"])]
        assert (before["spec"]["replicas"], new["spec"]["replicas"]) == (0, 3)
