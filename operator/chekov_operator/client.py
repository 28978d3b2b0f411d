"""The Kubernetes API over one HTTP session, for what is done often: read, apply, status, delete.

Where the server is, and how to prove who asks, comes from the `kubernetes` package.
"""

import json
import ssl
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config

from chekov_operator.metrics import Metrics
from chekov_operator.resources import FIELD_MANAGER, Kind, Object

_TOKEN_SECONDS = 60.0
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: the API's word for it, such as `Invalid` or `Conflict`.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class ApiUnavailable(Exception):
    """The API server does not answer."""


def load_configuration() -> Any:
    """How to reach the cluster: from inside it, or by the current context of a kubeconfig.

    Raises:
        kubernetes.config.ConfigException: neither is there.
    """
    configuration: Any = kubernetes_client.Configuration()
    try:
        kubernetes_config.load_incluster_config(client_configuration=configuration)
    except kubernetes_config.ConfigException:
        kubernetes_config.load_kube_config(client_configuration=configuration)
    return configuration


@asynccontextmanager
async def connected(configuration: Any, metrics: Metrics) -> AsyncGenerator["Client"]:
    """A client, closed with the block."""
    connector = aiohttp.TCPConnector(ssl=_ssl(configuration), limit=64)
    async with aiohttp.ClientSession(
        base_url=configuration.host, connector=connector, timeout=_TIMEOUT
    ) as session:
        yield Client(session, configuration, metrics)


class Client:
    """Speaks to the API server."""

    def __init__(
        self, session: aiohttp.ClientSession, configuration: Any, metrics: Metrics
    ) -> None:
        self._session = session
        self._configuration = configuration
        self._metrics = metrics
        self._token: str | None = None
        self._token_read = 0.0

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """One object, or `None`."""
        try:
            return await self._call("GET", kind, kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404:  # noqa: PLR2004
                return None
            raise

    async def list(
        self, kind: Kind, namespace: str | None, labels: Mapping[str, str]
    ) -> Sequence[Object]:
        """The objects that carry all of `labels`."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        answer = await self._call(
            "GET", kind, kind.path(namespace), params={"labelSelector": selector}
        )
        items: Sequence[Object] = answer.get("items") or ()
        return [{"apiVersion": kind.api, "kind": kind.name, **item} for item in items]

    async def apply(self, kind: Kind, body: Object) -> Object:
        """Server-side apply: own the fields that are given, whoever had them."""
        meta = body["metadata"]
        return await self._call(
            "PATCH",
            kind,
            kind.path(meta["namespace"], meta["name"]),
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
        )

    async def apply_status(self, kind: Kind, body: Object) -> Object:
        """Server-side apply of the status."""
        meta = body["metadata"]
        return await self._call(
            "PATCH",
            kind,
            kind.path(meta["namespace"], meta["name"]) + "/status",
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
        )

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create an object."""
        path = kind.path(body["metadata"]["namespace"])
        return await self._call("POST", kind, path, body=body)

    async def merge(self, kind: Kind, namespace: str, name: str, body: Object) -> Object:
        """Merge a change into an object."""
        return await self._call(
            "PATCH",
            kind,
            kind.path(namespace, name),
            body=body,
            content_type="application/merge-patch+json",
        )

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object and, in the background, what it owns; absent ones are fine."""
        try:
            await self._call(
                "DELETE",
                kind,
                kind.path(namespace, name),
                body={"propagationPolicy": "Background"},
            )
        except ApiError as error:
            if error.status != 404:  # noqa: PLR2004
                raise

    async def _call(
        self,
        method: str,
        kind: Kind,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        token = self._bearer()
        if token:
            headers["Authorization"] = token
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self._session.request(
                method, path, params=params, data=data, headers=headers
            ) as response:
                text = await response.text()
                self._metrics.called(method, kind.name, response.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._metrics.called(method, kind.name, 0)
            raise ApiUnavailable(f"{method} {path}: {error or type(error).__name__}") from error
        answer: Object = json.loads(text) if text.startswith("{") else {"message": text}
        if response.status >= 400:  # noqa: PLR2004
            raise ApiError(
                response.status,
                str(answer.get("reason") or ""),
                f"{method} {path}: {answer.get('message') or response.reason}",
            )
        return answer

    def _bearer(self) -> str | None:
        """The token; in a cluster it changes, so it is read again from time to time."""
        if self._token is None or time.monotonic() - self._token_read > _TOKEN_SECONDS:
            self._token = self._configuration.get_api_key_with_prefix(
                "BearerToken", alias="authorization"
            )
            self._token_read = time.monotonic()
        return self._token


def _ssl(configuration: Any) -> ssl.SSLContext | bool:
    if not str(configuration.host).startswith("https"):
        return False
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
