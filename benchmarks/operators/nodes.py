"""Kubernetes's own part on an API server without nodes: pods of Jobs end, Deployments roll out."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from benchmarks.operators.api_server import ApiServer
from benchmarks.operators.launch import LOOPBACK
from chekov.serialization.frame import framed
from chekov.serialization.json import to_json
from chekov_operator.children.workloads import GATE
from chekov_operator.kube.kinds import COMPONENT_LABEL, DEPLOYMENT, JOB, POD
from chekov_operator.kube.objects import Object, label, nested
from tests.operator.fake_kubelet import READABLE, STARTING_SECONDS, ended_pod, rolled_out
from tests.operator.scene import FINE

_NODE: Final = "bench"
_NODES: Final = "/api/v1/nodes"
_IN_FLIGHT: Final = 16


class Nodes:
    """Answers each Job and Deployment as a cluster does in which all goes well.

    Attributes:
        jobs: each Job by its name, as it was made.
        deployments: the names of the Deployments that were made.
    """

    def __init__(self, server: ApiServer) -> None:
        self.jobs: dict[str, Object] = {}
        self.deployments: set[str] = set()
        self._server = server
        self._logs: dict[str, str] = {}
        self._places = asyncio.Semaphore(_IN_FLIGHT)

    async def log(self, request: web.Request) -> web.Response:
        """The log of a pod, as the API server asks a kubelet for it."""
        return web.Response(text=self._logs[request.match_info["pod"]])

    async def watch_jobs(self) -> None:
        async with asyncio.TaskGroup() as group:
            async for change, job in self._server.changes(JOB.path(None)):
                name = str(job["metadata"]["name"])
                if change == "DELETED":
                    path = POD.path(job["metadata"]["namespace"], _pod_name(name))
                    # As the garbage collector does.
                    self._start(group, self._server.delete(path))
                elif name not in self.jobs:
                    self.jobs[name] = job
                    self._start(group, self._run(job))

    async def watch_deployments(self) -> None:
        async with asyncio.TaskGroup() as group:
            async for change, live in self._server.changes(DEPLOYMENT.path(None)):
                self.deployments.add(str(live["metadata"]["name"]))
                if change == "DELETED" or nested(live, "status") == rolled_out(live)["status"]:
                    continue
                self._start(group, self._roll_out(live))

    def _start(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with self._places:
                await work

        group.create_task(bounded())

    async def _run(self, job: Object) -> None:
        namespace, name = job["metadata"]["namespace"], str(job["metadata"]["name"])
        result = READABLE if label(job, COMPONENT_LABEL) == GATE else FINE
        self._logs[_pod_name(name)] = f"{framed(to_json(result))}\n"
        ended = ended_pod(job, result)
        owner = {"apiVersion": JOB.api, "kind": JOB.name, "name": name, "controller": True}
        pod = {
            "metadata": {
                "name": _pod_name(name),
                "labels": ended["metadata"]["labels"],
                "ownerReferences": [{**owner, "uid": job["metadata"]["uid"]}],
            },
            "spec": {**job["spec"]["template"]["spec"], "nodeName": _NODE},
        }
        await self._server.create(POD.path(namespace), pod)
        [container] = ended["status"]["containerStatuses"]
        image = job["spec"]["template"]["spec"]["containers"][0]["image"]
        about = {"image": image, "imageID": image, "ready": False, "restartCount": 0}
        status = {"phase": "Succeeded", "containerStatuses": [{**container, **about}]}
        path = POD.path(namespace, _pod_name(name), "status")
        await self._server.patch(path, {"status": status})

    async def _roll_out(self, live: Object) -> None:
        # Pods take a moment to start, so that a rollout is seen to be under way.
        await asyncio.sleep(STARTING_SECONDS)
        meta = live["metadata"]
        path = DEPLOYMENT.path(meta["namespace"], meta["name"], "status")
        await self._server.patch(path, {"status": rolled_out(live)["status"]})


def _pod_name(job: str) -> str:
    return f"{job}-1"


@asynccontextmanager
async def simulated(server: ApiServer) -> AsyncGenerator[Nodes]:
    """One node on which all pods are, for the time of the block."""
    nodes = Nodes(server)
    application = web.Application()
    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", nodes.log)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, 0, ssl_context=context)
        await site.start()
        host, port = runner.addresses[0][:2]
        await server.create(_NODES, {"metadata": {"name": _NODE}})
        status = {
            "addresses": [{"type": "InternalIP", "address": host}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "conditions": [{"type": "Ready", "status": "True", **_now("lastHeartbeatTime")}],
        }
        await server.patch(f"{_NODES}/{_NODE}/status", {"status": status})
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(nodes.watch_jobs(), name="jobs"),
                group.create_task(nodes.watch_deployments(), name="deployments"),
            ]
            yield nodes
            for task in tasks:
                task.cancel()
    finally:
        await runner.cleanup()


def _now(field: str) -> dict[str, str]:
    return {field: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
