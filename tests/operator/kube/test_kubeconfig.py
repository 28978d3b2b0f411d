"""Kubeconfigs as people have them: contexts, several files, exec plugins, certificates, proxies."""

import base64
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from chekov_operator.kube.access import tls_context
from chekov_operator.kube.client import connected
from chekov_operator.kube.kinds import CONFIG_MAP
from chekov_operator.kube.kubeconfig import KubeconfigError, load_context
from chekov_operator.metrics import Metrics
from tests.cluster.kube.shell import run


def kubeconfig(folder: Path, server: str = "http://127.0.0.1:1", **user: Any) -> Path:
    """A kubeconfig in a file, with a context and a user."""
    file = folder / "config"
    body = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shops"}},
            {"name": "there", "context": {"cluster": "c", "user": "u"}},
            {"name": "nobody", "context": {"cluster": "c"}},
        ],
    }
    file.write_text(yaml.safe_dump(body))
    return file


async def bearer(configuration: Any) -> str | None:
    return await configuration.get_api_key_with_prefix("BearerToken")


async def test_the_context_and_its_namespace(tmp_path: Path) -> None:
    file = str(kubeconfig(tmp_path, token="of-me"))
    assert (await load_context(file, None)).namespace == "shops"
    found = await load_context(file, "there")
    assert found.namespace == "default"
    assert await bearer(found.configuration) == "Bearer of-me"
    assert await bearer((await load_context(file, "nobody")).configuration) is None
    with pytest.raises(KubeconfigError, match="elsewhere"):
        await load_context(file, "elsewhere")


async def test_several_files_are_one(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, token="of-me")
    whole = yaml.safe_load(file.read_text())
    users = tmp_path / "users"
    users.write_text(yaml.safe_dump({"users": whole.pop("users")}))
    file.write_text(yaml.safe_dump(whole))
    found = await load_context(f"{file}:{tmp_path}/none:{users}", None)
    assert await bearer(found.configuration) == "Bearer of-me"


async def test_an_exec_plugin_is_asked_again_once_its_token_ends(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    script = tmp_path / "plugin.py"
    script.write_text(
        f"""
import json, os, pathlib
assert json.loads(os.environ["KUBERNETES_EXEC_INFO"])["kind"] == "ExecCredential"
file = pathlib.Path({str(counter)!r})
count = int(file.read_text()) + 1 if file.exists() else 1
file.write_text(str(count))
print(json.dumps({{
    "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
    "status": {{"token": f"{{os.environ['PREFIX']}}-{{count}}",
               "expirationTimestamp": "2020-01-01T00:00:00Z"}},
}}))
"""
    )
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
        "env": [{"name": "PREFIX", "value": "token"}],
    }
    found = await load_context(str(kubeconfig(tmp_path, exec=command)), None)
    assert await bearer(found.configuration) == "Bearer token-2"
    assert await bearer(found.configuration) == "Bearer token-3"


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("", "failed to decode process output"),
        ('{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}', "status"),
        (
            '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "x", "status": {}}',
            "missing token",
        ),
    ],
)
async def test_an_exec_plugin_that_gives_nothing(tmp_path: Path, output: str, text: str) -> None:
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({output!r})"],
    }
    with pytest.raises(KubeconfigError, match=text):
        await load_context(str(kubeconfig(tmp_path, exec=command)), None)


async def test_an_exec_plugin_that_is_not_installed(tmp_path: Path) -> None:
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}
    with pytest.raises(KubeconfigError, match="no-such-plugin"):
        await load_context(str(kubeconfig(tmp_path, exec=command)), None)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A folder with an authority, and certificates of a server and of a client by it."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    own = ("-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt")
    run("openssl", "req", "-x509", *key, *own, "-subj", "/CN=ca", "-days", "2")
    issuer = ("-CA", tmp_path / "ca.crt", "-CAkey", tmp_path / "ca.key", "-days", "2")
    for name in ("server", "client"):
        files = ("-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.crt")
        names = ("-addext", "subjectAltName=DNS:the-server")
        run("openssl", "req", "-x509", *key, *issuer, *files, "-subj", f"/CN={name}", *names)
    return tmp_path


@pytest.mark.parametrize("by_exec", [False, True])
async def test_client_certificates_and_the_name_of_the_server(
    authority: Path, *, by_exec: bool
) -> None:
    subjects: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        subjects.append(request.transport.get_extra_info("peercert")["subject"])
        return web.json_response({"items": [], "metadata": {}})

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority / "ca.crt")
    context.load_cert_chain(authority / "server.crt", authority / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_get("/clusters/one/api/v1/namespaces/shops/configmaps", answer)
    certificate, key = ((authority / f"client.{end}").read_text() for end in ("crt", "key"))
    status = {"clientCertificateData": certificate, "clientKeyData": key}
    credential = {"kind": "ExecCredential", "status": status}
    version = {"apiVersion": "client.authentication.k8s.io/v1"}
    command = {
        **version,
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps({**version, **credential})!r})"],
    }
    given = {
        "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
        "client-key-data": base64.b64encode(key.encode()).decode(),
    }
    user = {"exec": command} if by_exec else given
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    try:
        # A gateway to many clusters has them under paths.
        file = kubeconfig(authority, f"{server.make_url('/')}clusters/one", **user)
        body = yaml.safe_load(file.read_text())
        body["clusters"][0]["cluster"] |= {
            "certificate-authority": "ca.crt",
            "tls-server-name": "the-server",
        }
        file.write_text(yaml.safe_dump(body))
        found = await load_context(str(file), None)
        async with connected(found.configuration, Metrics()) as client:
            assert await client.list(CONFIG_MAP, "shops", {}) == []
    finally:
        await server.close()
    assert subjects == [((("commonName", "client"),),)]


async def test_a_server_that_is_not_verified(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, "https://127.0.0.1:1", token="of-me")
    body = yaml.safe_load(file.read_text())
    body["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    file.write_text(yaml.safe_dump(body))
    context = tls_context((await load_context(str(file), None)).configuration)
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_NONE


async def test_proxies_of_the_kubeconfig_and_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    file = kubeconfig(tmp_path, "https://cluster.example", token="of-me")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    found = await load_context(str(file), None)
    assert found.configuration.proxy == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", "cluster.example")
    assert (await load_context(str(file), None)).configuration.proxy is None
    body = yaml.safe_load(file.read_text())
    body["clusters"][0]["cluster"]["proxy-url"] = "http://other.example:3128"
    file.write_text(yaml.safe_dump(body))
    found = await load_context(str(file), None)
    assert found.configuration.proxy == "http://other.example:3128"
