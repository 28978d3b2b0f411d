"""How kopf connects: by the operator's own configuration."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chekov_operator.kube.access import not_strict
from chekov_operator.kube.lean_kopf import kopf

_KOPF_REFRESH: Final = timedelta(minutes=5)


class Connection(kopf.ConnectionInfo):
    """What kopf connects by, with certificates verified as by `tls_context`."""

    def as_ssl_context(self) -> ssl.SSLContext:
        """The TLS context for the API server."""
        return not_strict(super().as_ssl_context())


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
