"""The connection to the API server, for the operator's client and for kopf."""

import json
import ssl
import sys
from pathlib import Path

import pytest
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import kube_config

from chekov_operator.kube.access import load_configuration, tls_context
from chekov_operator.kube.kopf_login import connection_of
from tests.cluster.kube.shell import run


async def test_an_authority_without_extensions_is_accepted(tmp_path: Path) -> None:
    """Python verifies strictly since 3.13, and many clusters have such an authority."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt")
    run("openssl", "req", "-x509", *key, *files, "-subj", "/CN=ca")
    configuration = Configuration(host="https://127.0.0.1:1")
    configuration.ssl_ca_cert = str(tmp_path / "ca.crt")
    for context in (
        tls_context(configuration),
        (await connection_of(configuration)).as_ssl_context(),
    ):
        assert isinstance(context, ssl.SSLContext)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def account(folder: Path) -> Path:
    """A folder as Kubernetes mounts it into a pod."""
    folder.mkdir()
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_text("an authority")
    return folder


async def test_a_pod_shows_its_token_as_it_is_now(tmp_path: Path) -> None:
    folder = account(tmp_path / "account")
    found = await load_configuration("https://10.0.0.1:443", folder)
    assert (found.host, found.ssl_ca_cert) == ("https://10.0.0.1:443", str(folder / "ca.crt"))
    assert await found.get_api_key_with_prefix("BearerToken") == "Bearer first"
    (folder / "token").write_text("second")
    assert await found.get_api_key_with_prefix("BearerToken") == "Bearer second"
    connection = await connection_of(found)
    assert (connection.scheme, connection.token) == ("Bearer", "second")


@pytest.mark.parametrize(
    ("server", "missing"), [("", ""), ("https://a", "token"), ("https://a", "ca.crt")]
)
async def test_outside_a_pod_the_kubeconfig_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, missing: str
) -> None:
    folder = account(tmp_path / "account")
    if missing:
        (folder / missing).unlink()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": "https://10.0.0.2:6443"}}],
        "users": [{"name": "one", "user": {"token": "secret"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "current-context": "one",
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    configuration = await load_configuration(server, folder)
    assert configuration.host == "https://10.0.0.2:6443"
    assert await configuration.get_api_key_with_prefix("BearerToken") == "Bearer secret"


def test_the_operator_loads_nothing_of_the_kubernetes_package() -> None:
    """It takes 19 MiB, and kopf loads it wherever it is installed."""
    program = (
        "import sys, chekov_operator.__main__; "
        "print([name for name in sys.modules if name.partition('.')[0] == 'kubernetes'])"
    )
    assert run(sys.executable, "-c", program).strip() == "[]"
