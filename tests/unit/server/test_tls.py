"""TLS on a port, and the certificate's replacement."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector, web

from chekov.server import tls_acceptor
from chekov.server.http_listener import listening
from chekov.server.tls import ServerCertificate, UnusableCertificate
from tests.cluster.kube.shell import run
from tests.integration.certificates import make_authority, make_certificate
from tests.waiting import until

_HERE = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A folder with `tls.crt` and `tls.key`, and the authority that signed them."""
    authority = make_authority(tmp_path, "authority")
    place(make_certificate(authority, "first", _HERE), tmp_path)
    make_certificate(authority, "second", _HERE)
    return tmp_path


def place(certificate: Path, folder: Path) -> None:
    shutil.copy(certificate, folder / "tls.crt")
    shutil.copy(certificate.with_suffix(".key"), folder / "tls.key")


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "authority.crt"))


async def served_by(
    port: int, context: ssl.SSLContext, host: str = "127.0.0.1"
) -> tuple[str, str | None]:
    """The name in the certificate of a port, and the protocol's version.

    A client names the host if that is no address.
    """
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    certificate: Any = connection.getpeercert()
    subject = dict(item for part in certificate["subject"] for item in part)
    return subject["commonName"], connection.version()


@asynccontextmanager
async def port_of(certificate: ServerCertificate, most: int = 1000) -> AsyncGenerator[int]:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=request.scheme)

    app = web.Application()
    app.router.add_get("/", hello)
    async with listening(app, "127.0.0.1", 0, certificate.context, most=most) as listener:
        yield listener.port


async def test_requests_over_tls_are_answered_and_others_are_not(mounted: Path) -> None:
    certificate = ServerCertificate(mounted / "tls.crt", mounted / "tls.key")
    async with port_of(certificate) as port:
        async with (
            ClientSession(connector=TCPConnector(ssl=trusting(mounted))) as session,
            session.get(f"https://127.0.0.1:{port}/") as response,
        ):
            assert await response.text() == "https"
        name, version = await served_by(port, trusting(mounted))
        assert name == "first"
        assert version == "TLSv1.3"
        assert certificate.context.minimum_version is ssl.TLSVersion.TLSv1_2
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"HTTP" not in await reader.read()
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["nothing", "the start"])
async def test_a_handshake_that_is_not_completed_ends_the_connection(
    mounted: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_acceptor, "HANDSHAKE_SECONDS", 0.2)
    async with port_of(ServerCertificate(mounted / "tls.crt", mounted / "tls.key")) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(40):  # by default, it would take 60
            assert await reader.read() == b""
        writer.close()


async def test_a_connection_counts_from_the_beginning_of_its_handshake(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_acceptor, "HANDSHAKE_SECONDS", 3600)
    certificate = ServerCertificate(mounted / "tls.crt", mounted / "tls.key")
    async with asyncio.timeout(240), port_of(certificate, most=2) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        for _, item in held:
            item.transport.abort()

        async def is_served() -> bool:
            try:
                return (await served_by(port, trusting(mounted)))[0] == "first"
            except OSError:
                return False

        await until(is_served)


async def test_a_new_certificate_serves_the_connections_after_it(mounted: Path) -> None:
    certificate = ServerCertificate(mounted / "tls.crt", mounted / "tls.key")
    async with (
        port_of(certificate) as port,
        ClientSession(connector=TCPConnector(ssl=trusting(mounted))) as session,
    ):
        url = f"https://127.0.0.1:{port}/"
        async with session.get(url) as response:
            assert response.status == 200
        place(mounted / "second.crt", mounted)
        certificate.reload()
        assert (await served_by(port, trusting(mounted)))[0] == "second"
        async with session.get(url) as response:  # over the connection from before
            assert response.status == 200


async def test_a_certificate_with_another_type_of_key_replaces_the_one_before(
    tmp_path: Path,
) -> None:
    authority = make_authority(tmp_path, "authority")
    for name, rsa in (("elliptic", False), ("rsa", True)):
        make_certificate(authority, name, _HERE, rsa=rsa)
    place(tmp_path / "elliptic.crt", tmp_path)
    certificate = ServerCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    async with port_of(certificate) as port:
        for name in ("rsa", "elliptic", "rsa"):
            place(tmp_path / f"{name}.crt", tmp_path)
            certificate.reload()
            assert (await served_by(port, trusting(tmp_path)))[0] == name
            assert (await served_by(port, trusting(tmp_path), "localhost"))[0] == name


async def test_a_certificate_without_its_key_leaves_the_one_before_in_use(mounted: Path) -> None:
    certificate = ServerCertificate(mounted / "tls.crt", mounted / "tls.key")
    async with port_of(certificate) as port:
        shutil.copy(mounted / "second.crt", mounted / "tls.crt")
        with pytest.raises(UnusableCertificate, match="expected a certificate and its private key"):
            certificate.reload()
        assert (await served_by(port, trusting(mounted)))[0] == "first"
        (mounted / "tls.crt").unlink()
        with pytest.raises(UnusableCertificate):
            certificate.reload()
        assert (await served_by(port, trusting(mounted)))[0] == "first"
        place(mounted / "second.crt", mounted)
        certificate.reload()
        assert (await served_by(port, trusting(mounted)))[0] == "second"


async def test_its_expiry_follows_the_files_and_a_failed_reload_is_known(mounted: Path) -> None:
    authority = mounted / "authority.crt"
    shorter = make_certificate(authority, "shorter", _HERE, days=1)
    certificate = ServerCertificate(mounted / "tls.crt", mounted / "tls.key")
    first = end_of(mounted / "first.crt")
    assert (certificate.expires, certificate.is_current) == (first, True)
    shutil.copy(shorter, mounted / "tls.crt")
    with pytest.raises(UnusableCertificate):
        certificate.reload()
    assert (certificate.expires, certificate.is_current) == (first, False)
    place(shorter, mounted)
    certificate.reload()
    assert (certificate.expires, certificate.is_current) == (end_of(shorter), True)


def test_the_first_certificate_of_a_chain_to_expire_counts(mounted: Path) -> None:
    shorter = make_certificate(mounted / "authority.crt", "shorter", _HERE, days=1)
    first = (mounted / "first.crt").read_text()
    (mounted / "tls.crt").write_text(first + shorter.read_text())
    certificate = ServerCertificate(mounted / "tls.crt", mounted / "tls.key")
    assert certificate.expires == end_of(shorter)


def end_of(certificate: Path) -> int:
    """When it expires, in seconds since the epoch, as openssl says."""
    shown = run("openssl", "x509", "-enddate", "-noout", "-in", certificate)
    return ssl.cert_time_to_seconds(shown.strip().removeprefix("notAfter="))


def test_unusable_files_keep_the_process_from_starting(mounted: Path) -> None:
    with pytest.raises(UnusableCertificate, match=r"second\.key: expected"):
        ServerCertificate(mounted / "first.crt", mounted / "second.key")
    with pytest.raises(UnusableCertificate):
        ServerCertificate(mounted / "missing.crt", mounted / "tls.key")
    (mounted / "broken").write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(UnusableCertificate):
        ServerCertificate(mounted / "broken", mounted / "tls.key")
