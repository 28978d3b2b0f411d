"""Address and credentials of the API server, loaded by the `kubernetes` package."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import kopf
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

_KOPF_REFRESH: Final = timedelta(minutes=5)


class Connection(kopf.ConnectionInfo):
    """What kopf connects by, with certificates verified as by `tls_context`."""

    def as_ssl_context(self) -> ssl.SSLContext:
        """The TLS context for the API server."""
        return _not_strict(super().as_ssl_context())


async def load_configuration() -> Any:
    """The in-cluster configuration, or else the current context of the kubeconfig.

    Raises:
        kubernetes.config.ConfigException: there is neither.
    """
    configuration: Any = kubernetes_client.Configuration()
    configs: Any = kubernetes_config
    try:
        configs.load_incluster_config(client_configuration=configuration)
    except kubernetes_config.ConfigException:
        await configs.load_kube_config(client_configuration=configuration)
    return configuration


async def connection_of(configuration: Any) -> Connection:
    """The same configuration in the form that kopf takes."""
    prefix, _, token = str(
        await configuration.get_api_key_with_prefix("BearerToken") or ""
    ).rpartition(" ")
    return Connection(
        server=str(configuration.host),
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        scheme=(prefix or "Bearer") if token else None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        # A token in a cluster is rotated; kopf logs in again after this time.
        expiration=datetime.now(UTC) + _KOPF_REFRESH if token else None,
    )


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
    return _not_strict(context)


def _not_strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Accept what many clusters have: an authority without key usage, keys without its identifier.

    Python refuses these since 3.13, unlike Kubernetes's own clients.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
