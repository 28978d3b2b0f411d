"""Certificates for tests, made by openssl."""

from pathlib import Path

from tests.cluster.kube.shell import run

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_NEW_RSA_KEY = ("-newkey", "rsa:2048", "-nodes")
_DAYS = 2


def make_authority(folder: Path, name: str) -> Path:
    """An authority's certificate, with its key beside it."""
    certificate = folder / f"{name}.crt"
    files = ("-keyout", folder / f"{name}.key", "-out", certificate)
    # From Python 3.13 on, certificates are verified strictly.
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    lasting = ("-days", f"{_DAYS}")
    run("openssl", "req", "-x509", *_NEW_KEY, *lasting, *files, "-subj", f"/CN={name}", *usage)
    return certificate


def make_certificate(
    authority: Path, name: str, addresses: str = "", *, rsa: bool = False, days: int = _DAYS
) -> Path:
    """A certificate for a server at `addresses` or a user `name`, with its key beside it."""
    new_key = _NEW_RSA_KEY if rsa else _NEW_KEY
    folder = authority.parent
    certificate, request = folder / f"{name}.crt", folder / f"{name}.csr"
    key = ("-keyout", folder / f"{name}.key")
    run("openssl", "req", *new_key, *key, "-out", request, "-subj", f"/CN={name}")
    signer = ("-CA", authority, "-CAkey", authority.with_suffix(".key"), "-CAcreateserial")
    extensions = folder / f"{name}.ext"
    names = f"subjectAltName={addresses}\n" if addresses else ""
    extensions.write_text(f"authorityKeyIdentifier=keyid\n{names}")
    extra = ("-extfile", extensions)
    made = ("-in", request, "-out", certificate, "-days", f"{days}")
    run("openssl", "x509", "-req", *made, *signer, *extra)
    return certificate
