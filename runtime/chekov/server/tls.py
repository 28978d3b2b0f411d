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

    Args:
        certificate: its file, with the chain (PEM).
        key: the file of its private key (PEM).

    Raises:
        UnusableCertificate: they cannot be read, or do not belong together.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._newest = self.context = self._loaded()
        self.context.sni_callback = self._begin

    def reload(self) -> None:
        """Read the files again.

        Raises:
            UnusableCertificate: they cannot be used; the certificate before stays in use.
        """
        # A context holds one certificate for each type of key, and would go on with the old one
        # after a change of the type: each certificate has a context of its own.
        self._newest = self._loaded()

    def _begin(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Called in each handshake, also if the client names no server."""
        connection.context = self._newest

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # With a password given, a key that needs one fails instead of asking the terminal.
            context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError) as error:
            raise UnusableCertificate(
                f"{self._certificate} and {self._key}: expected a certificate and its private key "
                f"in PEM, without a password: {error}"
            ) from error
        return context
