"""Address and credentials of the API server, loaded by the `kubernetes` package."""

import ssl
from typing import Any

from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config


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
