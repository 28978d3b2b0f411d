"""`kubectl chekov report`: a zip with what support asks for, and without what must stay."""

import asyncio
import os
import zipfile
from argparse import Namespace
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Final, TypeVar

from chekov.errors import ChekovError
from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.kinds import (
    BUNDLE,
    BUNDLE_LABEL,
    CHILDREN,
    DEPLOYMENT,
    EVENT,
    MANAGED,
    POD,
    REPLAY,
    REVISION,
    SECRET,
    STORE,
    SUBSCRIPTION,
    Kind,
)
from chekov_operator.kube.objects import Object, label, nested, nested_list
from chekov_operator.kube.port_forward import fetched
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.failure import PluginError, sentence
from chekov_operator.plugin.output import as_yaml, show
from chekov_operator.plugin.redaction import (
    Redactor,
    secret_names,
    values_of_secret,
    values_of_variables,
)

T = TypeVar("T")

_OPERATOR: Final[Mapping[str, str]] = {"app.kubernetes.io/name": "chekov-operator"}
_OWN: Final = (STORE, BUNDLE, REVISION, SUBSCRIPTION, REPLAY)
_AT_ONCE: Final = 8
_READABLE_BY_OWNER: Final = 0o600
_INTRODUCTION: Final = """\
A report of `kubectl chekov report` {version}, made {time}
about {what} in the namespace {namespace}.

Left out: Secrets, the values of variables, arguments and commands of containers, code, contents of
ConfigMaps, and whatever else looks like a secret. Logs are what programs wrote: read them before
you pass them on.
"""


async def report(arguments: Namespace) -> int:
    """Write the zip."""
    async with opened(arguments) as cluster:
        collection = Collection(cluster, arguments)
        await collection.collect()
        time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        name = arguments.file or f"chekov-report-{cluster.namespace}-{time}.zip"
    _write(name, collection.files())
    show(f"{name} was written; read it before you pass it on")
    for note in collection.notes:
        show(f"not in it: {note}")
    return 0


class Collection:
    """What is put into a report.

    Args:
        cluster: where it comes from.
        arguments: `bundle`, `operator_namespace` and `lines`.

    Attributes:
        notes: what could not be read, and why.
    """

    def __init__(self, cluster: Cluster, arguments: Namespace) -> None:
        self._cluster = cluster
        self._operator = Cluster(cluster.client, arguments.operator_namespace)
        self._bundle: str | None = arguments.bundle
        self._lines: int = arguments.lines
        self._objects: dict[str, Object] = {}
        self._texts: dict[str, str] = {}
        self._secrets: set[str] = set()
        self._limit = asyncio.Semaphore(_AT_ONCE)
        self.notes: list[str] = []

    async def collect(self) -> None:
        """Read everything."""
        if self._bundle is not None:
            await self._cluster.bundle(self._bundle)
        await self._cluster.bundles()  # whether there are any at all
        async with asyncio.TaskGroup() as group:
            for kind in (*_OWN, *CHILDREN, POD):
                group.create_task(self._read_kind(self._cluster, kind, "resources"))
            for kind in (DEPLOYMENT, POD):
                group.create_task(self._read_kind(self._operator, kind, "operator"))
            group.create_task(self._read_events())
            group.create_task(self._read_version())
        async with asyncio.TaskGroup() as group:
            for path, body in list(self._objects.items()):
                if body["kind"] == POD.name:
                    group.create_task(self._read_pod(path.partition("/")[0], body))
            for name in sorted({*secret_names(list(self._objects.values()))}):
                group.create_task(self._read_secret(name))

    def files(self) -> Mapping[str, str]:
        """The files of the zip, by their names, without secrets."""
        values = values_of_variables(list(self._objects.values()))
        redactor = Redactor({*self._secrets, *values})
        introduction = _INTRODUCTION.format(
            version=version("chekov"),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            what=f"the bundle {self._bundle}" if self._bundle else "all bundles",
            namespace=self._cluster.namespace,
        )
        notes = "".join(f"Not read: {redactor.text(note)}\n" for note in sorted(self.notes))
        return {
            "README.txt": "\n".join(filter(None, [introduction, notes])),
            **{
                f"{path}.yaml": as_yaml(redactor.body(body))
                for path, body in sorted(self._objects.items())
            },
            **{path: redactor.text(text) for path, text in sorted(self._texts.items())},
        }

    async def _read_kind(self, cluster: Cluster, kind: Kind, folder: str) -> None:
        labels = _OPERATOR if folder == "operator" else self._labels(kind)
        found = await self._tried(
            cluster.client.list(kind, cluster.namespace, labels), f"{kind.plural} ({folder})"
        )
        for body in found or ():
            if self._is_wanted(kind, body):
                self._objects[f"{folder}/{kind.plural}/{body['metadata']['name']}"] = body

    def _labels(self, kind: Kind) -> Mapping[str, str]:
        if kind in (STORE, BUNDLE, REPLAY):
            return {}
        if self._bundle is not None and kind not in (REVISION, SUBSCRIPTION):
            return {**MANAGED, BUNDLE_LABEL: self._bundle}
        return {} if kind in _OWN else MANAGED

    def _is_wanted(self, kind: Kind, body: Object) -> bool:
        if self._bundle is None or kind in (STORE, REPLAY):
            return True
        if kind is BUNDLE:
            return body["metadata"]["name"] == self._bundle
        return label(body, BUNDLE_LABEL) in (self._bundle, None)

    async def _read_events(self) -> None:
        found = await self._tried(
            self._cluster.client.list(EVENT, self._cluster.namespace, {}), "Kubernetes Events"
        )
        ordered = sorted(
            found or (), key=lambda item: str(item.get("lastTimestamp") or item.get("eventTime"))
        )
        if ordered:
            body: Object = {"apiVersion": "v1", "kind": "List", "items": ordered}
            self._objects["resources/events"] = body

    async def _read_version(self) -> None:
        found = await self._tried(self._cluster.client.server_version(), "the server's version")
        if found:
            self._objects["server-version"] = {"kind": "Version", **found}

    async def _read_pod(self, folder: str, body: Object) -> None:
        """The logs of a pod's containers, and its metrics."""
        name, namespace = str(body["metadata"]["name"]), str(body["metadata"]["namespace"])
        base = "operator" if folder == "operator" else "pods"
        statuses = [
            *nested_list(body, "status", "initContainerStatuses"),
            *nested_list(body, "status", "containerStatuses"),
        ]
        for status in statuses:
            container = str(status["name"])
            for previous in (False, True) if status.get("restartCount") else (False,):
                text = await self._tried(
                    self._cluster.client.log(
                        namespace, name, container, lines=self._lines, previous=previous
                    ),
                    f"the log of {container} in {name}",
                )
                if text is not None:
                    end = ".previous.log" if previous else ".log"
                    self._texts[f"{base}/{name}/{container}{end}"] = text
        port = _management_port(body)
        if port is not None and nested(body, "status", "phase") == "Running":
            tls = str(nested(body, "metadata", "annotations", "prometheus.io/scheme")) == "https"
            text = await self._tried(
                fetched(self._cluster.client, namespace, name, port, "/metrics", tls=tls),
                f"the metrics of {name}",
            )
            if text is not None:
                self._texts[f"{base}/{name}/metrics.txt"] = text

    async def _read_secret(self, name: str) -> None:
        """Learn what must not appear anywhere; what may not be read is left out by its form."""
        found = await self._tried(
            self._cluster.client.get(SECRET, self._cluster.namespace, name),
            f"the Secret {name} (its values are left out only where they look like one)",
        )
        self._secrets |= {*values_of_secret(found or {})}

    async def _tried(self, reading: Awaitable[T], what: str) -> T | None:
        try:
            async with self._limit:
                return await reading
        except ApiUnavailable:
            raise
        except ChekovError as error:
            if isinstance(error, ApiError) and error.status == HTTPStatus.NOT_FOUND:
                return None  # a kind that the cluster does not have, or a pod that has just gone
            self.notes.append(f"{what}: {sentence(error)}")
            return None


def _management_port(body: Object) -> int | None:
    for container in nested_list(body, "spec", "containers"):
        for port in nested_list(container, "ports"):
            if port.get("name") == "management":
                return int(port["containerPort"])
    return None


def _write(name: str, files: Mapping[str, str]) -> None:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(Path(name), flags, _READABLE_BY_OWNER)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.getvalue())
    except OSError as error:
        raise PluginError(f"{name} cannot be written: {error.strerror}") from error
