"""A client for the Kubernetes API over one HTTP session: read, apply, write a status, delete."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from chekov.errors import ChekovError
from chekov.serialization.json import from_json, to_json
from chekov_operator import tracing
from chekov_operator.kube.access import tls_context
from chekov_operator.kube.kinds import FIELD_MANAGER, POD, Kind
from chekov_operator.kube.objects import Object, nested, nested_list
from chekov_operator.metrics import Metrics

_TOKEN_SECONDS: Final = 60.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_TRIES: Final = 4
_LONGEST_PAUSE: Final = 5.0
_PAGE: Final = 500
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_STREAM_SECONDS: Final = 300
_STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=150)
"""A server that keeps a stream sends a bookmark about once a minute."""
_SHALLOW_ITEM: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_SHALLOW: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class ApiError(ChekovError):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: as in the API, such as `Invalid` or `Conflict`.
        reply: the server's own message.
        pause: seconds after which a retry may succeed.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, pause: float = 1.0, reply: str = ""
    ) -> None:
        self.status = status
        self.reason = reason
        self.pause = pause
        self.reply = reply or message
        super().__init__(message)


class ApiUnavailable(ChekovError):
    """The API server does not answer."""


@asynccontextmanager
async def connected(configuration: Any, metrics: Metrics) -> AsyncGenerator["Client"]:
    """A client that is closed at the end of the block."""
    connector = aiohttp.TCPConnector(ssl=tls_context(configuration), limit=64)
    # Streams stay open, and must leave connections to everything else.
    streams = aiohttp.TCPConnector(ssl=tls_context(configuration), limit=0)
    async with (
        aiohttp.ClientSession(
            base_url=configuration.host, connector=connector, timeout=_TIMEOUT
        ) as session,
        aiohttp.ClientSession(
            base_url=configuration.host, connector=streams, timeout=_STREAM_TIMEOUT
        ) as streaming,
    ):
        yield Client(session, streaming, configuration, metrics)


class Client:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        streaming: aiohttp.ClientSession,
        configuration: Any,
        metrics: Metrics,
    ) -> None:
        self._session = session
        self._streaming = streaming
        self._configuration = configuration
        self._metrics = metrics
        self._token: str | None = None
        self._token_read = 0.0

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """An object, or `None` if it does not exist."""
        try:
            return await self._call(_Request("GET", kind, kind.path(namespace, name)))
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
        params = {"limit": str(_PAGE)} | ({"fieldSelector": fields} if fields else {})
        if labels:
            params["labelSelector"] = ",".join(f"{name}={value}" for name, value in labels.items())
        found: list[Object] = []
        while True:
            answer = await self._call(
                _Request(
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
        request = _Request(
            "GET", kind, kind.path(namespace), params={"limit": "1"}, accept=_SHALLOW
        )
        return str(nested(await self._call(request), "metadata", "resourceVersion") or "0")

    async def changes(
        self, kind: Kind, namespace: str | None, version: str
    ) -> AsyncGenerator[Object]:
        """The metadata of each object that changes after a version, until the server ends that.

        Bookmarks are among them, which have a version and no name.

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
        }
        headers = await self._headers(_Request("GET", kind, path, accept=_SHALLOW_ITEM))
        try:
            async with self._streaming.get(path, params=params, headers=headers) as response:
                self._metrics.count_call("WATCH", kind.name, response.status)
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise _refusal("WATCH", path, response, await response.text())
                async for line in _lines(response.content):
                    change = _parsed(line)
                    body: Object = nested(change, "object") or {}
                    if change.get("type") == "ERROR":
                        code = int(nested(body, "code") or HTTPStatus.INTERNAL_SERVER_ERROR)
                        raise ApiError(code, str(nested(body, "reason")), f"WATCH {path}: {body}")
                    yield body
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            # A proxy may send anything, and cut it anywhere.
            raise ApiUnavailable(f"WATCH {path}: {error or type(error).__name__}") from error

    async def served(self, group_version: str) -> frozenset[str]:
        """The plural names of the kinds that the API server serves in a group and version."""
        kind = Kind("APIResourceList", group_version, "")
        try:
            answer = await self._call(_Request("GET", kind, f"/apis/{group_version}"))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return frozenset()
            raise
        return frozenset(str(item["name"]) for item in nested_list(answer, "resources"))

    async def log(self, namespace: str, pod: str, container: str, *, lines: int) -> str:
        """The end of a container's log.

        Args:
            namespace: of the pod.
            pod: its name.
            container: its name.
            lines: as the node's files have them, which hold 16 KiB each at most.
        """
        path = POD.path(namespace, pod, "log")
        params = {"container": container, "tailLines": str(lines)}
        return await self._called(_Request("GET", POD, path, params=params))

    async def apply(self, kind: Kind, body: Object) -> Object:
        """Server-side apply: take ownership of the given fields, whoever owned them."""
        return await self._applied(kind, body)

    async def apply_status(self, kind: Kind, body: Object) -> Object:
        """Server-side apply of the status."""
        return await self._applied(kind, body, "status")

    async def create(self, kind: Kind, body: Object) -> Object:
        path = kind.path(body["metadata"]["namespace"])
        return await self._call(_Request("POST", kind, path, body=body))

    async def replace(self, kind: Kind, body: Object) -> Object:
        """Replace an object; the request fails with a conflict if it has changed since the read."""
        path = kind.path(body["metadata"]["namespace"], body["metadata"]["name"])
        return await self._call(_Request("PUT", kind, path, body=body))

    async def merge(self, kind: Kind, namespace: str, name: str, body: Object) -> Object:
        """Apply a JSON merge patch."""
        return await self._call(
            _Request(
                "PATCH",
                kind,
                kind.path(namespace, name),
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
            await self._call(_Request("DELETE", kind, path, body=body))
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    async def _applied(self, kind: Kind, body: Object, subresource: str | None = None) -> Object:
        meta = body["metadata"]
        return await self._call(
            _Request(
                "PATCH",
                kind,
                kind.path(meta["namespace"], meta["name"], subresource),
                params={"fieldManager": FIELD_MANAGER, "force": "true"},
                body=body,
                content="application/apply-patch+yaml",
            )
        )

    async def _changed(self, kind: Kind, body: Object, changes: Sequence[Object]) -> Object:
        meta = body["metadata"]
        return await self._call(
            _Request(
                "PATCH",
                kind,
                kind.path(meta["namespace"], meta["name"]),
                params={"fieldManager": FIELD_MANAGER},
                body=changes,
                content="application/json-patch+json",
            )
        )

    async def _call(self, request: "_Request") -> Object:
        return _parsed(await self._called(request))

    async def _called(self, request: "_Request") -> str:
        """Send a request, and again after a pause while the server reports that it is busy."""
        for remaining in reversed(range(_TRIES)):
            try:
                return await self._sent(request)
            except ApiError as error:
                if error.status not in _BUSY or not remaining:
                    raise
                await asyncio.sleep(min(error.pause, _LONGEST_PAUSE))
        raise AssertionError

    async def _sent(self, request: "_Request") -> str:
        headers = await self._headers(request)
        data = None if request.body is None else to_json(request.body)
        where = f"{request.method} {request.path}"
        try:
            with tracing.requesting(request.method, request.kind, request.path) as span:
                async with self._session.request(
                    request.method, request.path, params=request.params, data=data, headers=headers
                ) as response:
                    text = await response.text("utf-8", errors="replace")
                tracing.set_response(span, response.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._metrics.count_call(request.method, request.kind.name, 0)
            raise ApiUnavailable(f"{where}: {error or type(error).__name__}") from error
        self._metrics.count_call(request.method, request.kind.name, response.status)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(request.method, request.path, response, text)
        return text

    async def _headers(self, request: "_Request") -> Mapping[str, str]:
        headers = {"Accept": request.accept, "Content-Type": request.content}
        token = await self._bearer()
        return headers | ({"Authorization": token} if token else {})

    async def _bearer(self) -> str | None:
        """The token, read again from time to time because it is rotated in a cluster."""
        if self._token is None or time.monotonic() - self._token_read > _TOKEN_SECONDS:
            self._token = await self._configuration.get_api_key_with_prefix("BearerToken")
            self._token_read = time.monotonic()
        return self._token


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    kind: Kind
    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Object | Sequence[Object] | None = None
    content: str = "application/json"
    accept: str = "application/json"


def _refusal(method: str, path: str, response: aiohttp.ClientResponse, text: str) -> ApiError:
    answer = _parsed(text)
    reply = str(answer.get("message") or response.reason)
    return ApiError(
        response.status,
        str(answer.get("reason") or ""),
        f"{method} {path}: {reply}",
        reply=reply,
        pause=_seconds(response.headers.get("Retry-After")),
    )


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[str]:
    """The lines of a stream, however long each is."""
    rest = b""
    async for part in content.iter_any():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line.decode()


def _parsed(text: str) -> Object:
    return from_json(text) if text.startswith("{") else {"message": text}


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdecimal() else 1.0
