"""Operators as processes of their own, against the fake API server."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from chekov_operator.kube.kinds import BUNDLE, BUNDLE_LABEL, DEPLOYMENT, SECRET, STORE
from chekov_operator.kube.objects import Object, condition_of, label
from tests.operator.fake_api import FakeApi
from tests.operator.fake_discovery import documents
from tests.operator.fake_kubelet import Kubelet
from tests.operator.samples import RUNTIME_IMAGE, bundle_body, store_body
from tests.operator.scene import FINE
from tests.waiting import until

PATIENCE: Final = 60.0
_HEALTHY: Final[Object] = {
    "server_version": "18.4",
    "schema_version": 1,
    "needed_version": 1,
    "position": 10,
    "streams": 3,
    "bytes": 8192,
    "usable": True,
}


class Operator:
    """One running operator."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self._port = port
        self.log: list[Object] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.returncode is None

    async def read_log(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode().strip()
            self.log.append(json.loads(text) if text.startswith("{") else {"message": text})
            # Shown by pytest when a test fails.
            sys.stdout.write(f"{text}\n")

    async def probe(self, path: str) -> tuple[int, str]:
        """Status and text of a probe; 0 while there is no answer."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self._port}{path}") as response,
            ):
                return response.status, await response.text()
        except aiohttp.ClientError:
            return 0, ""

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await asyncio.wait_for(self._process.wait(), PATIENCE)

    def logged(self, text: str) -> bool:
        return any(text in json.dumps(line) for line in self.log)


class Cluster:
    """A fake cluster in which all goes well, until a test changes that."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        api.documents |= documents()
        self.database("db.example")
        self.kubelet = Kubelet(api, FINE)

    def database(self, host: str, **changes: Any) -> None:
        """Let a database answer."""
        self.api.hanging.discard(f"/databases/{host}")
        self.api.documents[f"/databases/{host}"] = _HEALTHY | changes

    def black_hole(self, host: str) -> None:
        """Let a database take connections and never answer."""
        self.api.hanging.add(f"/databases/{host}")

    def no_database(self, host: str) -> None:
        """Let nothing listen where a database was."""
        del self.api.documents[f"/databases/{host}"]

    def store(self, name: str = "main", host: str = "db.example", namespace: str = "shops") -> None:
        """Create an EventStore and its Secret."""
        dsn = b64encode(f"postgresql://u:p@{host}/bank".encode()).decode()
        self.api.put(SECRET.path(namespace, name), {"data": {"dsn": dsn}})
        body = store_body(connection={"secretRef": {"name": name}})
        meta = {"name": name, "namespace": namespace}
        self.api.put(STORE.path(namespace, name), {**body, "metadata": meta})

    def bundle(self, name: str = "bank", namespace: str = "shops", **spec: Any) -> str:
        """Create or change a DomainBundle; return its path."""
        path = BUNDLE.path(namespace, name)
        body = bundle_body(**spec)
        before = self.api.objects.get(path)
        if before is None:
            self.api.put(path, {**body, "metadata": {"name": name, "namespace": namespace}})
        else:
            generation = before["metadata"]["generation"] + 1
            meta = {**before["metadata"], "generation": generation}
            self.api.put(path, {**before, "metadata": meta, "spec": body["spec"]})
        return path

    def condition(self, path: str, kind: str = "Ready") -> tuple[str, str, str]:
        """Status, reason and message of an object's condition."""
        found = condition_of(self.api.objects.get(path), kind)
        return str(found.get("status")), str(found.get("reason")), str(found.get("message"))

    def deployment(self, name: str = "bank", namespace: str = "shops") -> Object | None:
        """The Deployment of a bundle that has the most pods."""
        collection = DEPLOYMENT.path(namespace) + "/"
        found = [
            body
            for path, body in self.api.objects.items()
            if path.startswith(collection) and label(body, BUNDLE_LABEL) == name
        ]
        return max(found, key=lambda body: int(body["spec"]["replicas"]), default=None)

    async def ready(self, path: str) -> None:
        """Wait until an object is ready in its current generation."""

        def is_ready() -> bool:
            body = self.api.objects[path]
            ready = condition_of(body, "Ready")
            generation = body["metadata"]["generation"]
            return (ready.get("status"), ready.get("observedGeneration")) == ("True", generation)

        await until(is_ready, PATIENCE)

    @asynccontextmanager
    async def operator(
        self, release: str = "stubbed", **variables: str
    ) -> AsyncGenerator[Operator]:
        """An operator for the time of the block; `name` sets CHEKOV_OPERATOR_NAME, and so on.

        Args:
            release: the module that is the operator.
            variables: its settings.
        """
        port = _free_port()
        variables.setdefault("name", "operator-1")
        settings = {"management_port": str(port), "runtime_image": RUNTIME_IMAGE, **variables}
        environment = {f"CHEKOV_OPERATOR_{key.upper()}": value for key, value in settings.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"tests.operator.process.{release}",
            stdout=PIPE,
            stderr=STDOUT,
            env={
                **os.environ,
                **environment,
                "FAKE_API": self.api.url,
                "FAKE_CLUSTER": self.api.url,
            },
        )
        operator = Operator(process, port)
        reading = asyncio.create_task(operator.read_log())
        try:
            yield operator
        finally:
            await operator.stop(signal.SIGKILL)
            await reading


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
