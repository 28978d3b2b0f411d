"""Subscriptions and Replays in the whole process, with kopf and real watches."""

from chekov_operator.kube.kinds import REPLAY, SUBSCRIPTION
from tests.operator.process.running import PATIENCE, Cluster
from tests.operator.samples import replay_body
from tests.operator.scene import FINE
from tests.waiting import until

PATH = SUBSCRIPTION.path("shops", "bank-balances")


async def test_handlers_are_shown_and_come_back_when_deleted(cluster: Cluster) -> None:
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        await until(lambda: cluster.condition(PATH)[1] == "NotInStore", PATIENCE)
        uid = cluster.api.objects[PATH]["metadata"]["uid"]
        cluster.api.remove(PATH)

        def is_new() -> bool:
            found = cluster.api.objects.get(PATH, {}).get("metadata", {}).get("uid")
            return found not in (None, uid)

        await until(is_new, PATIENCE)


async def test_replays_are_answered_and_go_when_their_time_is_over(cluster: Cluster) -> None:
    transfer = {"name": "transfer", "kind": "process", "version": 1}
    cluster.kubelet.result = {**FINE, "subscriptions": [*FINE["subscriptions"], transfer]}
    cluster.store()
    bank = cluster.bundle()
    async with cluster.operator():
        await cluster.ready(bank)
        await until(lambda: PATH in cluster.api.objects, PATIENCE)
        path = REPLAY.path("shops", "unknown")
        body = replay_body(
            "unknown", **{"from": "origin", "subscriptionRef": {"name": "bank-mails"}}
        )
        cluster.api.put(path, body)
        await until(lambda: cluster.condition(path, "Complete")[1] == "SubscriptionNotFound")
        short = REPLAY.path("shops", "short")
        # No process manager is replayed.
        never = {"from": "origin", "subscriptionRef": {"name": "bank-transfer"}}
        spec = {**never, "ttlSecondsAfterFinished": 0}
        cluster.api.put(short, {**body, "metadata": {"name": "short"}, "spec": spec})
        await until(lambda: short not in cluster.api.objects, PATIENCE)
