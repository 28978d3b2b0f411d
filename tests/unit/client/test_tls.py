"""A service behind TLS, asked by the client and by the command line."""

import asyncio
import json
import ssl
from pathlib import Path
from uuid import uuid4

import pytest

from chekov.cli import main
from chekov.client import Client, Unreachable
from tests.integration.certificates import make_authority, make_certificate
from tests.unit.client.conftest import DOMAIN, cutting
from tests.unit.server.conftest import OpenAccount, running


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """An authority that signed a certificate for this address, and one for another."""
    found = make_authority(tmp_path, "authority")
    make_certificate(found, "here", "IP:127.0.0.1")
    make_certificate(found, "elsewhere", "DNS:elsewhere.example")
    return found


def shown_by(authority: Path, name: str) -> ssl.SSLContext:
    """What a service shows that has one of the certificates."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.with_name(f"{name}.crt"), authority.with_name(f"{name}.key"))
    return context


def trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


async def test_a_service_whose_certificate_is_trusted_answers(authority: Path) -> None:
    account = uuid4()
    async with (
        running() as server,
        cutting(server, shown_by(authority, "here")) as way,
        Client(way.url, domain=DOMAIN, tls=trusting(authority)) as client,
    ):
        result = await client.dispatch(OpenAccount(account_id=account, owner="Ada"))
        assert result.version == 1


@pytest.mark.parametrize(
    ("name", "is_trusted"), [("here", False), ("elsewhere", True)], ids=["unknown", "elsewhere"]
)
async def test_another_certificate_is_refused_at_once(
    authority: Path, name: str, *, is_trusted: bool
) -> None:
    tls = trusting(authority) if is_trusted else None
    async with (
        running() as server,
        cutting(server, shown_by(authority, name)) as way,
        Client(way.url, domain=DOMAIN, tls=tls) as client,
    ):
        with pytest.raises(Unreachable, match=r"certificate verify failed"):
            await client.dispatch(OpenAccount(account_id=uuid4(), owner="Ada"))
        assert way.connections == 0


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "unknown"])
async def test_the_command_line_checks_by_the_file_it_is_given(
    authority: Path, capsys: pytest.CaptureFixture[str], *, is_trusted: bool
) -> None:
    command = json.dumps({"account_id": str(uuid4()), "owner": "Ada"})
    async with running() as server, cutting(server, shown_by(authority, "here")) as way:
        trust = ["--ca-file", str(authority)] if is_trusted else []
        given = ["dispatch", "OpenAccount", command, "--url", way.url, *trust]
        code = await asyncio.to_thread(main, given)
    written = capsys.readouterr()
    if is_trusted:
        assert code == 0, written
        assert "is at version 1" in written.out
    else:
        assert code == 1
        assert "certificate verify failed" in written.err
