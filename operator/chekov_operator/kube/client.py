"""A client for the Kubernetes API: read, follow, apply, write a status, delete."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.exchange import Request, lines_of, parsed, selector
from chekov_operator.kube.kinds import FIELD_MANAGER, POD, Kind
from chekov_operator.kube.objects import Object, nested, nested_list
from chekov_operator.kube.transport import Transport, opened
from chekov_operator.metrics import Metrics

_PAGE: Final = 500
_STREAM_SECONDS: Final = 300
_NO_VERSION: Final = "1"
"""A resource version that no object has: the first write to etcd makes the second one."""
_SHALLOW_ITEM: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_SHALLOW: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@asynccontextmanager
async def connected(configuration: Any, metrics: Metrics) -> AsyncGenerator["Client"]:
    """A client that is closed at the end of the block."""
    async with opened(configuration, metrics) as transport:
        yield Client(transport)


class Client:
    """Reads and changes objects.

    Args:
        transport: sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """An object, or `None` if it does not exist."""
        try:
            return await self._call(Request("GET", kind, kind.path(namespace, name)))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def list(
        self,
        kind: Kind,
        namespace: str | None,
        labels: Mapping[str, str],
        *,
        fields: str = "",
        shallow: bool = False,
    ) -> Sequence[Object]:
        """The objects that have all of `labels`; with `shallow`, only their metadata.

        Without a namespace, the objects of all namespaces; with `fields`, those that a field
        selector selects.
        """
        params = {"limit": str(_PAGE), **selector(labels)}
        params |= {"fieldSelector": fields} if fields else {}
        found: list[Object] = []
        while True:
            answer = await self._call(
                Request(
                    "GET",
                    kind,
                    kind.path(namespace),
                    params=params,
                    accept=_SHALLOW if shallow else "application/json",
                )
            )
            found += [
                {**item, "apiVersion": kind.api, "kind": kind.name}
                for item in nested_list(answer, "items")
            ]
            following = nested(answer, "metadata", "continue")
            if not following:
                return found
            params["continue"] = str(following)

    async def version(self, kind: Kind, namespace: str | None) -> str:
        """The resource version of a collection, from which its changes can be followed."""
        request = Request("GET", kind, kind.path(namespace), params={"limit": "1"}, accept=_SHALLOW)
        return str(nested(await self._call(request), "metadata", "resourceVersion") or "0")

    async def changes(
        self,
        kind: Kind,
        namespace: str | None,
        version: str,
        labels: Mapping[str, str] | None = None,
        *,
        shallow: bool = True,
    ) -> AsyncGenerator[tuple[str, Object]]:
        """Each change after a version, with what happened, until the server ends that.

        Bookmarks are among them, which have a version and no name. `shallow`: metadata alone.

        Raises:
            ApiError: the server refuses, or the version is too old (410).
            ApiUnavailable: it does not answer, or has said nothing for too long.
        """
        path = kind.path(namespace)
        params = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_STREAM_SECONDS),
            **selector(labels or {}),
        }
        accept = _SHALLOW_ITEM if shallow else "application/json"
        request = Request("GET", kind, path, params=params, accept=accept)
        async with self._transport.stream(request) as content:
            async for line in lines_of(content):
                change = parsed(line)
                body: Object = nested(change, "object") or {}
                if change.get("type") == "ERROR":
                    code = int(nested(body, "code") or HTTPStatus.INTERNAL_SERVER_ERROR)
                    raise ApiError(code, str(nested(body, "reason")), f"WATCH {path}: {body}")
                yield str(change.get("type")), body

    async def served(self, group_version: str) -> frozenset[str]:
        """The plural names of the kinds that the API server serves in a group and version."""
        kind = Kind("APIResourceList", group_version, "")
        try:
            answer = await self._call(Request("GET", kind, f"/apis/{group_version}"))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return frozenset()
            raise
        return frozenset(str(item["name"]) for item in nested_list(answer, "resources"))

    async def log(
        self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False
    ) -> str:
        """The end of a container's log.

        Args:
            namespace: of the pod.
            pod: its name.
            container: its name.
            lines: as the node's files have them, which hold 16 KiB each at most.
            previous: that of the process before the one that runs.
        """
        path = POD.path(namespace, pod, "log")
        params = {"container": container, "tailLines": str(lines)}
        params |= {"previous": "true"} if previous else {}
        content = await self._transport.send(Request("GET", POD, path, params=params))
        return content.decode(errors="replace")

    async def server_version(self) -> Object:
        """What the API server says of its release."""
        return await self._call(Request("GET", Kind("Version", "v1", ""), "/version"))

    async def preview(self, kind: Kind, body: Object, manager: str) -> Object:
        """What an object would be after a server-side apply, without changing anything."""
        request = self._application(kind, body, None, manager)
        return await self._call(request._replace(params={**request.params, "dryRun": "All"}))

    def websocket(
        self, path: str, params: Mapping[str, str], protocol: str
    ) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """An open WebSocket to a subresource.

        Raises:
            ApiError: the server refuses.
            ApiUnavailable: it does not answer.
        """
        return self._transport.websocket(Request("GET", POD, path, params=params), protocol)

    async def apply(self, kind: Kind, body: Object) -> Object:
        """Server-side apply: take ownership of the given fields, whoever owned them."""
        return await self._applied(kind, body)

    async def apply_new(self, kind: Kind, body: Object) -> Object:
        """Server-side apply of an object that does not exist yet.

        As in the Java Operator SDK, a resource version that no object has makes it fail otherwise.

        Raises:
            ApiError: the object exists (409), or the API server refuses.
        """
        new = {**body, "metadata": {**body["metadata"], "resourceVersion": _NO_VERSION}}
        return await self._applied(kind, new)

    async def apply_status(self, kind: Kind, body: Object) -> Object:
        """Server-side apply of the status."""
        return await self._applied(kind, body, "status")

    async def create(self, kind: Kind, body: Object) -> Object:
        path = kind.path(body["metadata"]["namespace"])
        return await self._call(Request("POST", kind, path, body=body))

    async def replace(self, kind: Kind, body: Object) -> Object:
        """Replace an object; the request fails with a conflict if it has changed since the read."""
        path = kind.path(body["metadata"]["namespace"], body["metadata"]["name"])
        return await self._call(Request("PUT", kind, path, body=body))

    async def merge(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Object,
        *,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Apply a JSON merge patch, or only say what would come of it."""
        return await self._call(
            Request(
                "PATCH",
                kind,
                kind.path(namespace, name, subresource),
                params={"dryRun": "All"} if dry_run else {},
                body=body,
                content="application/merge-patch+json",
            )
        )

    async def overwrite(self, kind: Kind, body: Object) -> None:
        """Set the given fields, except metadata, to exactly these values; drop others' additions.

        The operator's ownership by "Update" is then removed, because a field owned that way would
        stay when it is no longer applied. An `apply` has to follow.
        """
        after = await self._changed(
            kind,
            body,
            [
                {"op": "add", "path": f"/{name}", "value": value}
                for name, value in body.items()
                if name not in ("apiVersion", "kind", "metadata")
            ],
        )
        owners = [
            item
            for item in nested_list(after, "metadata", "managedFields")
            if (item.get("manager"), item.get("operation")) != (FIELD_MANAGER, "Update")
        ]
        version = nested(after, "metadata", "resourceVersion")
        await self._changed(
            kind,
            body,
            [
                {"op": "add", "path": "/metadata/managedFields", "value": owners},
                {"op": "add", "path": "/metadata/resourceVersion", "value": version},
            ],
        )

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object and, in the background, what it owns.

        Nothing happens if it is already gone, or if an object with another uid has its name.
        """
        path = kind.path(namespace, name)
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._call(Request("DELETE", kind, path, body=body))
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    async def _applied(self, kind: Kind, body: Object, subresource: str | None = None) -> Object:
        return await self._call(self._application(kind, body, subresource, FIELD_MANAGER))

    @staticmethod
    def _application(kind: Kind, body: Object, subresource: str | None, manager: str) -> Request:
        meta = body["metadata"]
        return Request(
            "PATCH",
            kind,
            kind.path(meta["namespace"], meta["name"], subresource),
            params={"fieldManager": manager, "force": "true"},
            body=body,
            content="application/apply-patch+yaml",
        )

    async def _changed(self, kind: Kind, body: Object, changes: Sequence[Object]) -> Object:
        meta = body["metadata"]
        return await self._call(
            Request(
                "PATCH",
                kind,
                kind.path(meta["namespace"], meta["name"]),
                params={"fieldManager": FIELD_MANAGER},
                body=changes,
                content="application/json-patch+json",
            )
        )

    async def _call(self, request: Request) -> Object:
        return parsed(await self._transport.send(request))
