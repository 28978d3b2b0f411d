"""Kubernetes's own part on the fake API server: pods of Jobs end, Deployments roll out."""

import asyncio
from collections.abc import Mapping

from chekov.cli.check import shortened
from chekov.serialization.frame import framed
from chekov.serialization.json import to_json
from chekov_operator.kube.kinds import DEPLOYMENT, JOB, POD
from chekov_operator.kube.objects import Object
from tests.operator.fake_api import FakeApi


def ended_pod(job: Object, result: Mapping[str, object]) -> Object:
    """The pod of a Job after its container printed a result."""
    code = 0 if result.get("ok") else 1
    state = {"terminated": {"exitCode": code, "message": shortened(dict(result)).decode()}}
    owner = {"uid": job["metadata"]["uid"], "controller": True}
    labels = job["spec"]["template"]["metadata"]["labels"]
    return {
        "metadata": {"labels": labels, "ownerReferences": [owner]},
        "status": {"containerStatuses": [{"name": "runtime", "state": state}]},
    }


def rolled_out(live: Object) -> Object:
    """A Deployment all of whose pods serve."""
    count = live["spec"]["replicas"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), count)
    status = {"observedGeneration": live["metadata"]["generation"], **counts}
    return {**live, "status": status}


class Kubelet:
    """Answers each write of a Job or a Deployment as a cluster does in which all goes well."""

    def __init__(self, api: FakeApi, result: Mapping[str, object]) -> None:
        self._api = api
        self.result = result
        api.after_write = self._after_write

    def _after_write(self, path: str) -> None:
        plural = path.split("/")[-2]
        if plural in (JOB.plural, DEPLOYMENT.plural):
            asyncio.get_running_loop().call_soon(self._play, plural, path)

    def _play(self, plural: str, path: str) -> None:
        live = self._api.objects.get(path)
        if live is None:
            return
        if plural == DEPLOYMENT.plural:
            after = rolled_out(live)
            if after != live:
                self._api.put(path, after)
            return
        pod = POD.path(live["metadata"]["namespace"], f"{live['metadata']['name']}-1")
        if pod not in self._api.objects:
            self._api.logs[pod] = f"{framed(to_json(self.result))}\n"
            self._api.put(pod, ended_pod(live, self.result))
