"""Kubernetes's own part on the fake API server: pods of Jobs end, Deployments roll out."""

import asyncio
from collections.abc import Mapping

from chekov.serialization.frame import framed, shortened
from chekov.serialization.json import to_json
from chekov_operator.children.workloads import GATE
from chekov_operator.kube.kinds import COMPONENT_LABEL, DEPLOYMENT, EVENT, JOB, POD
from chekov_operator.kube.objects import Object, label, nested
from tests.operator.fake_api import FakeApi

STARTING_SECONDS = 0.2
"""Pods take a moment to start, so that a rollout is seen to be under way."""
LONG_AGO = "2026-11-24T10:00:00Z"
READABLE: Object = {"compatibility": "Compatible", "reason": "Readable", "message": "9 events"}


def ended_pod(job: Object, result: Mapping[str, object]) -> Object:
    """The pod of a Job after its container printed a result."""
    code = 0 if result.get("ok") or result.get("compatibility") == "Compatible" else 1
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
    """Answers each write of a Job or a Deployment as a cluster does in which all goes well.

    Attributes:
        result: of checks.
        gate: the result of gates.
        forbidden: why pods of Jobs may not be made, if so.
    """

    def __init__(self, api: FakeApi, result: Mapping[str, object]) -> None:
        self._api = api
        self.result = result
        self.gate = READABLE
        self.forbidden = ""
        self._held: list[str] | None = None
        api.after_write = self._after_write

    def hold(self) -> None:
        """Let no Deployment roll out from now on."""
        self._held = []

    def release(self) -> None:
        """Let every Deployment roll out that was held back, and those that follow."""
        held, self._held = self._held or [], None
        for path in held:
            self._play(DEPLOYMENT.plural, path)

    def _after_write(self, path: str) -> None:
        plural = path.split("/")[-2]
        loop = asyncio.get_running_loop()
        if plural == JOB.plural:
            loop.call_soon(self._play, plural, path)
        if plural == DEPLOYMENT.plural:
            loop.call_later(STARTING_SECONDS, self._play, plural, path)

    def _play(self, plural: str, path: str) -> None:
        live = self._api.objects.get(path)
        if live is None:
            return
        if plural == DEPLOYMENT.plural:
            if self._held is not None:
                self._held.append(path)
                return
            after = rolled_out(live)
            if after != live:
                self._api.put(path, after)
            return
        if self.forbidden:
            if nested(live, "metadata", "creationTimestamp") != LONG_AGO:
                aged = {**live["metadata"], "creationTimestamp": LONG_AGO}
                self._api.put(path, {**live, "metadata": aged})
                self._warn(live)
            return
        pod = POD.path(live["metadata"]["namespace"], f"{live['metadata']['name']}-1")
        if pod not in self._api.objects:
            result = self.gate if label(live, COMPONENT_LABEL) == GATE else self.result
            self._api.logs[pod] = f"{framed(to_json(result))}\n"
            self._api.put(pod, ended_pod(live, result))

    def _warn(self, job: Object) -> None:
        """Say in an Event why a Job has no pod."""
        about = {"uid": job["metadata"]["uid"]}
        event = {"type": "Warning", "message": self.forbidden, "involvedObject": about}
        path = EVENT.path(job["metadata"]["namespace"], f"{job['metadata']['name']}.1")
        self._api.put(path, event)
