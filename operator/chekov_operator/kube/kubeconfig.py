"""How a person reaches a cluster: by a context of a kubeconfig, with the credentials in it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio.config import ConfigException, kube_config

from chekov.errors import ChekovError
from chekov_operator.kube.access import tls_context

_LOADER_LOG: Final = logging.getLogger(kube_config.__name__)
_UNUSABLE: Final = (
    *(ConfigException, yaml.YAMLError, OSError),
    # The loader does not look before it takes a part of the file.
    *(AttributeError, KeyError, TypeError, ValueError),
)


class KubeconfigError(ChekovError):
    """No cluster is known, or nothing that its server would accept."""


class Context(NamedTuple):
    """A cluster, who asks it, and where.

    Attributes:
        configuration: address and credentials, as `tls_context` and `connected` take them.
        namespace: that of the context; `default` if it has none.
    """

    configuration: Any
    namespace: str


async def load_context(file: str | None, name: str | None) -> Context:
    """Read a context, and ask its exec plugin for credentials if it has one.

    Credentials that end are read again while the program runs.

    Args:
        file: by default those that `KUBECONFIG` names, or `~/.kube/config`.
        name: by default the current context of the file.

    Raises:
        KubeconfigError: there is no such file or context, or it gives no credentials.
    """
    paths = file or str(kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if not _exists(paths):
        raise KubeconfigError(f"there is no kubeconfig at {paths}; name one by --kubeconfig")
    configuration: Any = kubernetes_client.Configuration()
    config: Any = kube_config
    with _Complaints() as complaints:
        try:
            loader: Any = await config.load_kube_config(
                config_file=paths,
                context=name,
                client_configuration=configuration,
                persist_config=False,
            )
            has_server = urlsplit(str(configuration.host)).hostname is not None
            tls_context(configuration)  # reads the certificates
        except _UNUSABLE as error:
            raise KubeconfigError(f"the kubeconfig {paths} cannot be used: {error}") from error
    if complaints.texts:
        raise KubeconfigError(f"no credentials for the cluster: {'; '.join(complaints.texts)}")
    if not has_server:
        raise KubeconfigError(f"the cluster of the kubeconfig {paths} has no server")
    configuration.refresh_api_key_hook = loader.load_and_set
    configuration.proxy = configuration.proxy or _proxy(str(configuration.host))
    context = loader.current_context["context"]
    return Context(configuration, str(context.get("namespace") or "default"))


def _exists(paths: str) -> bool:
    parts = paths.split(kube_config.ENV_KUBECONFIG_PATH_SEPARATOR)
    return any(Path(part).expanduser().is_file() for part in parts if part)


def _proxy(host: str) -> str | None:
    """What the environment says about proxies, as kubectl reads it."""
    url = urlsplit(host)
    if url.hostname is None or proxy_bypass(url.hostname):
        return None
    return getproxies().get(url.scheme)


class _Complaints(logging.Handler):
    """The loader only logs that an exec plugin failed, and goes on without credentials."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._texts: list[str] = []

    @property
    def texts(self) -> Sequence[str]:
        return self._texts

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(record.getMessage())

    def __enter__(self) -> Self:
        _LOADER_LOG.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _LOADER_LOG.removeHandler(self)
