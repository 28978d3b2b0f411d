"""Address and credentials of the API server: those of a pod, or those of a kubeconfig."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class InCluster:
    """How a pod reaches the API server, in the form of the `kubernetes` package's configurations.

    That package takes 19 MiB, and does no more for a pod than this.

    Attributes:
        host: the server's URL.
        token_file: has the token, which is rotated; `None` for a server that asks for none.
        ssl_ca_cert: the path of the authority's certificate.
    """

    host: str
    token_file: Path | None = None
    ssl_ca_cert: str | None = None
    verify_ssl: bool = True
    cert_file: str | None = None
    key_file: str | None = None
    proxy: str | None = None
    tls_server_name: str | None = None

    async def get_api_key_with_prefix(self, identifier: str) -> str | None:
        """The value of the header that shows the token as it is now."""
        del identifier
        return None if self.token_file is None else f"Bearer {self.token_file.read_text().strip()}"


async def load_configuration(server: str, account: Path = _SERVICE_ACCOUNT) -> Any:
    """The configuration of a pod, or else the current context of the kubeconfig.

    Args:
        server: the URL of the API server that Kubernetes gave to this pod; empty outside of one.
        account: the folder of the pod's service account.

    Raises:
        kubernetes.config.ConfigException: there is neither.
    """
    token, authority = account / "token", account / "ca.crt"
    if server and token.is_file() and authority.is_file():
        return InCluster(server, token, str(authority))
    from kubernetes.aio import client, config  # noqa: PLC0415 -- large, and not used in a pod

    configuration: Any = client.Configuration()
    configs: Any = config
    await configs.load_kube_config(client_configuration=configuration)
    return configuration


def tls_context(configuration: Any) -> ssl.SSLContext | bool:
    """The TLS context for the API server, with the client certificate if there is one.

    Returns:
        `False` for a server without TLS.
    """
    if not str(configuration.host).startswith("https"):
        return False
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return not_strict(context)


def not_strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Accept what many clusters have: an authority without key usage, keys without its identifier.

    Python refuses these since 3.13, unlike Kubernetes's own clients.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
