"""The connection to the API server, for the operator's client and for kopf."""

import ssl
from pathlib import Path

from kubernetes.aio.client import Configuration

from chekov_operator.kube.access import tls_context
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
