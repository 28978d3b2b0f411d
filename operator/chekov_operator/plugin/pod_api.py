"""The HTTP API and the management port of one of a bundle's pods, through the API server."""

import base64
import binascii
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from chekov.client import Client, ManagementClient
from chekov_operator.children.pods import HTTP_PORT, MANAGEMENT_PORT
from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.kinds import SECRET
from chekov_operator.kube.objects import Object, condition_of, nested
from chekov_operator.kube.port_forward import forwarded
from chekov_operator.plugin import environment
from chekov_operator.plugin.cluster import Cluster
from chekov_operator.plugin.failure import PluginError

_SECONDS: Final = 20.0


class NoPod(PluginError):
    """No pod of the bundle is ready."""


@asynccontextmanager
async def api(
    cluster: Cluster, bundle: Object, token_file: str | None, *, seconds: float = _SECONDS
) -> AsyncGenerator[Client]:
    """The HTTP API of a pod that is ready.

    Args:
        cluster: where.
        bundle: whose pod.
        token_file: with the token of the API.
        seconds: for a call with all its attempts.
    """
    token = environment.token(token_file, "CHEKOV_TOKEN")
    pod = await _ready_pod(cluster, bundle)
    async with (
        forwarded(cluster.client, cluster.namespace, pod, HTTP_PORT) as address,
        Client(_url(bundle, address), token=token, tls=_tls(bundle), timeout=seconds) as client,
    ):
        yield client


@asynccontextmanager
async def management(
    cluster: Cluster, bundle: Object, token_file: str | None
) -> AsyncGenerator[ManagementClient]:
    """The management port of a pod that is ready.

    Its token is the given one, or that of the bundle's Secret, if the user may read it.
    """
    token = environment.token(token_file, "CHEKOV_MANAGEMENT_TOKEN")
    if token is None:
        token = await _management_token(cluster, bundle)
    pod = await _ready_pod(cluster, bundle)
    async with (
        forwarded(cluster.client, cluster.namespace, pod, MANAGEMENT_PORT) as address,
        ManagementClient(
            _url(bundle, address), token=token, tls=_tls(bundle), timeout=_SECONDS
        ) as client,
    ):
        yield client


async def _ready_pod(cluster: Cluster, bundle: Object) -> str:
    name = str(bundle["metadata"]["name"])
    pods = await cluster.pods(name)
    ready = sorted(
        str(pod["metadata"]["name"])
        for pod in pods
        if condition_of(pod, "Ready").get("status") == "True"
        and not nested(pod, "metadata", "deletionTimestamp")
    )
    if not ready:
        raise NoPod(
            f"none of the {len(pods)} pods of the bundle {name} is ready, so none can be asked; "
            f"`kubectl chekov status {name}` says why"
        )
    return ready[0]


async def _management_token(cluster: Cluster, bundle: Object) -> str | None:
    reference = nested(bundle, "spec", "auth", "managementToken", "secretRef")
    if reference is None:
        return None
    name, key = str(reference["name"]), str(reference.get("key") or "token")
    hint = "name a file with the token by --token-file, or set CHEKOV_MANAGEMENT_TOKEN"
    try:
        secret = await cluster.client.get(SECRET, cluster.namespace, name)
    except ApiError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            raise PluginError(
                f"the management port needs a token, and you may not read the Secret {name}: {hint}"
            ) from error
        raise
    try:
        return base64.b64decode(nested(secret, "data", key) or "").decode().strip() or None
    except (binascii.Error, UnicodeDecodeError) as error:
        raise PluginError(f"the key {key} of the Secret {name} holds no token: {hint}") from error


def _url(bundle: Object, address: str) -> str:
    scheme = "https" if nested(bundle, "spec", "tls") else "http"
    return f"{scheme}://{address}"


def _tls(bundle: Object) -> ssl.SSLContext | None:
    """Encrypts, as the pod demands; that it is the pod, the API server and its node answer for."""
    if not nested(bundle, "spec", "tls"):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
