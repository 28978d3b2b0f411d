"""Advice on connections that failed because of TLS, or of its absence."""

import ssl
from typing import Final

import asyncpg

REFUSES_TLS: Final = "rejected SSL upgrade"
"""How asyncpg says that a server refuses TLS."""
_NAMES: Final = (62, 63, 64)
"""OpenSSL's codes for a certificate of another host, mail address or IP address."""
_EXPIRED: Final = (9, 10)


def advice(error: BaseException) -> str | None:
    """What to change; `None` when the error has another cause."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error)
    if isinstance(error, ssl.SSLError):
        return _of_handshake(error)
    text = str(error)
    if isinstance(error, ConnectionError) and REFUSES_TLS in text:
        return (
            "the server does not speak TLS: turn it on there (ssl = on), or use sslmode=disable in "
            "the DSN if the way to it is safe"
        )
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return _of_authorization(text)
    return None


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _NAMES:
        return (
            "the server's certificate is for another host: use the name it was issued for in the "
            "DSN, or sslmode=verify-ca to check no name"
        )
    if error.verify_code in _EXPIRED:
        return "the server's certificate is not valid now: renew it, or set the clock right"
    return (
        "the server's certificate was not issued by an authority that is trusted here: name that "
        "authority's certificate in the DSN with sslrootcert"
    )


def _of_handshake(error: ssl.SSLError) -> str | None:
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return None
    reason = (error.reason or "").upper()
    if "UNKNOWN_CA" in reason or "ALERT_BAD_CERTIFICATE" in reason:
        return (
            "the server does not trust the client's certificate: let sslcert and sslkey in the DSN "
            "name one that its ssl_ca_file issued"
        )
    return "TLS failed: check the files that sslrootcert, sslcert and sslkey in the DSN name"


def _of_authorization(text: str) -> str | None:
    if "client certificate" in text:
        return "name a client certificate and its key in the DSN with sslcert and sslkey"
    if "no encryption" in text or "SSL off" in text:
        return "the server takes this user over TLS only: use sslmode=verify-full in the DSN"
    return None
