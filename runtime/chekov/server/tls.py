"""TLS with a certificate that is replaced while the process runs."""

import ssl
from pathlib import Path

from chekov.errors import ChekovError


class UnusableCertificate(ChekovError):
    """The certificate or its key cannot be used; says which files, and why."""


class ServerCertificate:
    """The certificate that connections are begun with.

    Attributes:
        context: for listeners; a certificate that is reloaded serves the connections after that.
        expires: when the first certificate of the chain in use expires, in seconds since the epoch.
        is_current: whether the files were usable when they were read last; if not, those before
            them are in use.

    Args:
        certificate: its file, with the chain (PEM).
        key: the file of its private key (PEM).

    Raises:
        UnusableCertificate: they cannot be read, or do not belong together.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._newest, self.expires = self._loaded()
        self.is_current = True
        self.context = self._newest
        self.context.sni_callback = self._begin

    def reload(self) -> None:
        """Read the files again.

        Raises:
            UnusableCertificate: they cannot be used; the certificate before stays in use.
        """
        self.is_current = False
        # A context holds one certificate for each type of key, and would go on with the old one
        # after a change of the type: each certificate has a context of its own.
        self._newest, self.expires = self._loaded()
        self.is_current = True

    def _begin(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Called in each handshake, also if the client names no server."""
        connection.context = self._newest

    def _loaded(self) -> tuple[ssl.SSLContext, float]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # With a password given, a key that needs one fails instead of asking the terminal.
            context.load_cert_chain(self._certificate, self._key, password="")
            expires = _expiry(self._certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise UnusableCertificate(
                f"{self._certificate} and {self._key}: expected a certificate and its private key "
                f"in PEM, without a password: {error}"
            ) from error
        return context, expires


def _expiry(chain: bytes) -> float:
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 -- loads for 30 ms

    return min(each.not_valid_after_utc for each in load_pem_x509_certificates(chain)).timestamp()
