"""TLS to a real Postgres: what is trusted works, and what is not says what to do about it."""

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
import pytest

import chekov.embedded_postgres as embedded
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore
from tests.integration.certificates import make_authority, make_certificate
from tests.packages import provide
from tests.store_state import status_of

PROGRAMS = Path("/usr/lib/postgresql")
HBA = """
hostssl all postgres 127.0.0.1/32 password
hostssl all carried 127.0.0.1/32 cert
"""


class Secured(NamedTuple):
    """A server with TLS, and the certificates of its clients."""

    dsn: str
    folder: Path

    def with_options(self, user: str = "", **options: str) -> str:
        """Its DSN; file names are those in the folder."""
        files = {
            name: str(self.folder / value) if name != "sslmode" else value
            for name, value in options.items()
        }
        dsn = self.dsn.replace("postgres:", f"{user}:", 1) if user else self.dsn
        return dsn.replace("127.0.0.1", "localhost") + "?" + urlencode(files)

    @property
    def password(self) -> str:
        return self.dsn.split(":")[2].split("@")[0]


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    """Certificates of an authority and of another one."""
    provide({"openssl": "openssl"}, otherwise="Elsewhere, put openssl on the PATH")
    with tempfile.TemporaryDirectory(prefix="chekov-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        authority = make_authority(folder, "authority")
        make_certificate(authority, "server", "DNS:localhost")
        make_certificate(authority, "elsewhere", "DNS:elsewhere.example")
        make_certificate(authority, "carried")
        make_certificate(make_authority(folder, "stranger"), "forged")
        shutil.copy(folder / "forged.key", folder / "forged-carried.key")
        yield folder


@pytest.fixture
async def secured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Secured]:
    """A server whose certificate is for localhost."""
    async for server in _server(folder, monkeypatch, "server"):
        yield server


async def _server(
    folder: Path, monkeypatch: pytest.MonkeyPatch, certificate: str
) -> AsyncGenerator[Secured]:
    """The embedded Postgres has no TLS; Debian's does."""
    programs = _programs()

    def binary(name: str, _data: Path) -> str:
        return str(programs / name)

    monkeypatch.setattr(embedded, "_binary", binary)
    with tempfile.TemporaryDirectory(prefix="chekov-") as name:
        home = Path(name)
        for end in ("crt", "key"):
            shutil.copy(folder / f"{certificate}.{end}", home / f"own.{end}")
        (home / "own.key").chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(home / "own.key", "postgres")
        server = EmbeddedPostgres(
            home,
            settings={
                "ssl": "on",
                "ssl_cert_file": str(home / "own.crt"),
                "ssl_key_file": str(home / "own.key"),
                "ssl_ca_file": str(folder / "authority.crt"),
            },
        )
        await server.start()
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("create role carried login superuser")
        await connection.close()
        (home / "data" / "pg_hba.conf").write_text(HBA)
        await server.stop()
        await server.start()
        try:
            yield Secured(server.dsn, folder)
        finally:
            await server.stop()


def _programs() -> Path:
    """Where Debian puts them; installed when they are not there."""
    if not list(PROGRAMS.glob("*/bin/postgres")):
        provide(
            {str(PROGRAMS): "postgresql"},
            otherwise=f"Elsewhere, put a Postgres with TLS into {PROGRAMS}/<version>",
        )
    return max(PROGRAMS.glob("*/bin/postgres")).parent


async def works(dsn: str) -> None:
    """A store there is migrated, written, read and inspected."""
    async with PostgresStore(dsn) as store:
        await store.append("a", [NewEvent(uuid4(), "t", b"{}")])
        assert len(await store.read_stream("a")) == 1
        async with store.read_models.read_connection() as connection:
            assert await connection.fetchval(
                "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            )
    assert (await status_of(dsn)).position == 1


async def refusal(dsn: str, password: str) -> str:
    """What is said at once, however patient the store is."""
    with pytest.raises(StoreError) as caught:
        async with PostgresStore(dsn, patience=600):
            pass
    assert not isinstance(caught.value, StoreUnavailable)
    assert password not in str(caught.value)
    with pytest.raises(StoreError) as looked:
        await status_of(dsn)
    assert str(looked.value) == str(caught.value)
    return str(caught.value)


async def test_a_server_that_is_trusted(secured: Secured) -> None:
    await works(secured.with_options(sslmode="verify-full", sslrootcert="authority.crt"))


async def test_a_client_with_a_certificate(secured: Secured) -> None:
    await works(
        secured.with_options(
            "carried",
            sslmode="verify-full",
            sslrootcert="authority.crt",
            sslcert="carried.crt",
            sslkey="carried.key",
        )
    )


async def test_an_authority_that_did_not_issue_the_certificate(secured: Secured) -> None:
    dsn = secured.with_options(sslmode="verify-full", sslrootcert="stranger.crt")
    assert "name that authority's certificate" in await refusal(dsn, secured.password)


async def test_another_host_s_certificate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async for server in _server(folder, monkeypatch, "elsewhere"):
        dsn = server.with_options(sslmode="verify-full", sslrootcert="authority.crt")
        assert "is for another host" in await refusal(dsn, server.password)
        await works(server.with_options(sslmode="verify-ca", sslrootcert="authority.crt"))


async def test_a_server_without_tls(server: str, folder: Path) -> None:
    dsn = Secured(server, folder).with_options(sslmode="verify-full", sslrootcert="authority.crt")
    assert "does not speak TLS" in await refusal(dsn, Secured(server, folder).password)


async def test_a_server_that_takes_no_one_without_tls(secured: Secured) -> None:
    dsn = secured.with_options(sslmode="disable")
    assert "over TLS only" in await refusal(dsn, secured.password)


async def test_a_client_without_the_certificate_that_is_asked_for(secured: Secured) -> None:
    dsn = secured.with_options("carried", sslmode="verify-full", sslrootcert="authority.crt")
    assert "sslcert and sslkey" in await refusal(dsn, secured.password)


async def test_a_client_certificate_of_another_authority(secured: Secured) -> None:
    dsn = secured.with_options(
        "carried",
        sslmode="verify-full",
        sslrootcert="authority.crt",
        sslcert="forged.crt",
        sslkey="forged.key",
    )
    with pytest.raises(StoreUnavailable, match="may not trust the certificate") as caught:
        async with PostgresStore(dsn, patience=0):
            pass
    assert secured.password not in str(caught.value)


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey"])
async def test_a_missing_file(server: str, folder: Path, name: str) -> None:
    made = Secured(server, folder)
    dsn = made.with_options(sslmode="verify-full", **{name: "missing.crt"})
    assert f"{name} in the DSN of the store names" in await refusal(dsn, made.password)


async def test_a_file_that_holds_no_certificate(server: str, folder: Path) -> None:
    made = Secured(server, folder)
    (folder / "nonsense.crt").write_text("nonsense")
    dsn = made.with_options(sslmode="verify-full", sslrootcert="nonsense.crt")
    assert "check the files that sslrootcert" in await refusal(dsn, made.password)


async def test_a_file_that_may_not_be_read(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may_not(_path: str, _mode: int) -> bool:
        return False

    made = Secured(server, folder)
    monkeypatch.setattr(os, "access", may_not)
    dsn = made.with_options(sslmode="verify-full", sslrootcert="authority.crt")
    assert "cannot be read by this user" in await refusal(dsn, made.password)
