"""Going back past what newer code stored, by the whole operator as a process."""

import signal

from chekov.serialization.frame import framed
from chekov.serialization.json import to_json
from chekov_operator.children.workloads import GATE
from chekov_operator.kube.kinds import BUNDLE, COMPONENT_LABEL, JOB, POD
from chekov_operator.kube.objects import Object, label, nested
from tests.operator.fake_kubelet import ended_pod
from tests.operator.process.running import PATIENCE, Cluster
from tests.waiting import until

UNREADABLE: Object = {
    "compatibility": "Incompatible",
    "reason": "UnknownType",
    "message": "Closed at account-7 version 4 (position 10): no class of that name",
}


def undo(cluster: Cluster, revision: str | None) -> None:
    path = BUNDLE.path("shops", "bank")
    body = cluster.api.objects[path]
    named = {"chekov.dev/undo": revision} if revision else {}
    cluster.api.put(path, {**body, "metadata": {**body["metadata"], "annotations": named}})


def gates(cluster: Cluster) -> list[Object]:
    collection = JOB.path("shops") + "/"
    found = cluster.api.objects.items()
    return [
        b for path, b in found if path.startswith(collection) and label(b, COMPONENT_LABEL) == GATE
    ]


async def test_a_return_that_is_asked_for_survives_a_restart_and_is_refused(
    cluster: Cluster,
) -> None:
    cluster.store()
    bank = cluster.bundle()

    def status(*names: str) -> object:
        return nested(cluster.api.objects[bank], "status", *names)

    async with cluster.operator(lease_seconds="3") as first:
        await cluster.ready(bank)
        old = status("revision")
        cluster.bundle(restartNonce="new")
        await cluster.ready(bank)
        new = str(status("revision"))
        assert new != old
        cluster.kubelet.forbidden = "no pods for now"
        undo(cluster, new)
        await until(lambda: status("rollout", "state") == "Gating" and gates(cluster), PATIENCE)
        await first.stop(signal.SIGKILL)
    (job,) = gates(cluster)
    async with cluster.operator(name="second", lease_seconds="3"):
        pod = POD.path("shops", f"{job['metadata']['name']}-1")
        cluster.api.logs[pod] = f"{framed(to_json(UNREADABLE))}\n"
        cluster.api.put(pod, ended_pod(job, UNREADABLE))
        await until(lambda: cluster.condition(bank, "Stalled")[1] == "CannotGoBack", PATIENCE)
        assert UNREADABLE["message"] in cluster.condition(bank, "Stalled")[2]
        assert status("revision") == status("completedRevision") == new
        undo(cluster, None)
        await cluster.ready(bank)
        # Kubernetes deletes it with its Job.
        cluster.api.remove(pod)
        cluster.kubelet.forbidden = ""
        undo(cluster, new)
        await until(lambda: status("rollout", "state") == "Returned", PATIENCE)
        assert status("revision") == status("completedRevision") == old
