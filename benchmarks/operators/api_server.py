"""A real API server without nodes: etcd and kube-apiserver on free ports of loopback.

They are the programs of the tests' cluster, which need neither root nor a network of their own.
"""

import asyncio
import json
import secrets
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp
import yaml

from benchmarks.operators.launch import LOOPBACK, free_port, started
from chekov_operator.kube.access import not_strict
from chekov_operator.kube.objects import Object
from tests.cluster.kube.binaries import build_components
from tests.cluster.kube.layout import Layout
from tests.cluster.kube.shell import run
from tests.waiting import until

ADMIN: Final = "admin"
OPERATOR: Final = "operator"
STARTING_SECONDS: Final = 180.0
_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_CRDS: Final = Path(__file__).parents[2] / "crds"
_AUDITED: Final[Object] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata", "users": [OPERATOR]}, {"level": "None"}],
}


class Refused(Exception):
    """The API server answered a request with an error."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """A running API server, as its administrator calls it.

    Attributes:
        url: where it listens.
        certificate: its own, which clients trust.
        key: of that certificate.
        kubeconfig: that of the operator.
        audit_log: one line of JSON for each request that the operator made.
    """

    url: str
    certificate: Path
    key: Path
    kubeconfig: Path
    audit_log: Path
    _session: aiohttp.ClientSession

    async def get(self, path: str) -> Object:
        return await self._send("GET", path)

    async def create(self, path: str, body: Mapping[str, object]) -> Object:
        """Create an object in a collection."""
        return await self._send("POST", path, body)

    async def patch(self, path: str, body: Mapping[str, object]) -> Object:
        """Merge fields into an object."""
        return await self._send("PATCH", path, body, "application/merge-patch+json")

    async def delete(self, path: str) -> None:
        """Delete an object, unless it is gone."""
        with suppress(Refused):
            await self._send("DELETE", path)

    async def changes(self, collection: str) -> AsyncGenerator[tuple[str, Object]]:
        """Type and object of everything there is and each change, without end.

        The server ends watches, also when it has made a definition known; the next one begins
        with everything there is.
        """
        query = {"watch": "true", "allowWatchBookmarks": "false"}
        while True:
            rest = b""
            async with self._session.get(f"{self.url}{collection}", params=query) as response:
                response.raise_for_status()
                async for piece in response.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        change = json.loads(line)
                        yield change["type"], change["object"]

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        content: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content}
        async with self._session.request(
            method, f"{self.url}{path}", data=data, headers=headers
        ) as response:
            text = await response.text()
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise Refused(f"{method} {path}: {response.status} {text}")
            return json.loads(text)


@asynccontextmanager
async def running(layout: Layout) -> AsyncGenerator[ApiServer]:
    """An empty API server with the definitions of Chekov's kinds, for the time of the block.

    Raises:
        TimeoutError: it did not start.
    """
    await asyncio.to_thread(build_components, layout)
    with TemporaryDirectory(prefix="api-server-") as name:
        folder = Path(name)
        client, peer, secure = (free_port() for _ in range(3))
        tokens = {user: secrets.token_hex() for user in (ADMIN, OPERATOR)}
        _write_settings(folder, tokens)
        etcd = [layout.binaries / "etcd", *_etcd(folder, client, peer)]
        apiserver = [layout.binaries / "kube-apiserver", *_apiserver(folder, client, secure)]
        async with started(folder / "etcd.log", etcd), started(folder / "api.log", apiserver):
            certificate, key = folder / "pki/apiserver.crt", folder / "pki/apiserver.key"
            await until(lambda: certificate.exists() and key.exists(), STARTING_SECONDS)
            url = f"https://{LOOPBACK}:{secure}"
            kubeconfig = _kubeconfig(folder, url, certificate, tokens[OPERATOR])
            trusted = not_strict(ssl.create_default_context(cafile=certificate))
            connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
            async with aiohttp.ClientSession(
                connector=connector,
                headers={"Authorization": f"Bearer {tokens[ADMIN]}"},
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session:
                server = ApiServer(url, certificate, key, kubeconfig, folder / "audit.log", session)
                await until(lambda: _answers(server, "/readyz"), STARTING_SECONDS)
                await _define(server)
                yield server


async def _define(server: ApiServer) -> None:
    for file in sorted(_CRDS.glob("*.yaml")):
        body: Any = yaml.safe_load(file.read_text())
        await server.create(_DEFINITIONS, body)
        spec = body["spec"]
        served = f"/apis/{spec['group']}/v1alpha1/{spec['names']['plural']}"
        await until(lambda path=served: _answers(server, path), STARTING_SECONDS)


async def _answers(server: ApiServer, path: str) -> bool:
    with suppress(Refused, aiohttp.ClientError):
        # The answer of a probe is not JSON.
        with suppress(json.JSONDecodeError):
            await server.get(path)
        return True
    return False


def _write_settings(folder: Path, tokens: Mapping[str, str]) -> None:
    lines = (f'{token},{user},{user},"system:masters"\n' for user, token in tokens.items())
    (folder / "tokens.csv").write_text("".join(lines))
    (folder / "audit.json").write_text(json.dumps(_AUDITED))
    (folder / "audit.log").touch()
    key = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    run("openssl", "genpkey", *key, "-out", folder / "service-accounts.key")


def _etcd(folder: Path, client: int, peer: int) -> Sequence[str]:
    clients, peers = f"http://{LOOPBACK}:{client}", f"http://{LOOPBACK}:{peer}"
    return (
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    )


def _apiserver(folder: Path, etcd: int, secure: int) -> Sequence[str]:
    accounts = folder / "service-accounts.key"
    return (
        f"--etcd-servers=http://{LOOPBACK}:{etcd}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={secure}",
        # It makes a certificate of its own there.
        f"--cert-dir={folder / 'pki'}",
        "--service-cluster-ip-range=10.98.0.0/16",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts}",
        f"--service-account-signing-key-file={accounts}",
        # Without a controller manager, no namespace has an account for pods.
        "--disable-admission-plugins=ServiceAccount",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={folder / 'audit.json'}",
        f"--audit-log-path={folder / 'audit.log'}",
    )


def _kubeconfig(folder: Path, url: str, certificate: Path, token: str) -> Path:
    context = {"cluster": "bench", "user": OPERATOR}
    configuration: Object = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "bench", "cluster": {"server": url, "certificate-authority": str(certificate)}}
        ],
        "users": [{"name": OPERATOR, "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": context}],
        "current-context": "bench",
    }
    path = folder / "kubeconfig"
    # JSON is YAML.
    path.write_text(json.dumps(configuration))
    return path
