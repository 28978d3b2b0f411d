"""No part of a password shows in errors, logs or probes, wherever it came from."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import StoreError
from chekov.store.postgres import PostgresStore
from tests.waiting import until

PARTS = ("LEAKONE", "LEAKTWO", "LEAKTHREE")
PASSWORD = "LEAKONE/@LEAKTWO?#%&=' \"LEAKTHREE"


def without_password(dsn: str) -> str:
    parts = urlsplit(dsn)
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@")).geturl()


def in_environment(dsn: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setenv("PGPASSWORD", PASSWORD)
    return without_password(dsn)


def in_file(dsn: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    file = folder / "passwords"
    file.write_text(f"*:*:*:*:{PASSWORD}\n")
    file.chmod(0o600)
    patch.setenv("PGPASSFILE", str(file))
    return without_password(dsn)


def in_dsn(dsn: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    parts = urlsplit(dsn)
    return parts._replace(
        netloc=parts.netloc.replace(f":{parts.password}@", f":{quote(PASSWORD, safe='')}@")
    ).geturl()


def in_query(dsn: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    return f"{without_password(dsn)}?password={quote(PASSWORD, safe='')}"


def in_dsn_as_it_is(dsn: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    parts = urlsplit(dsn)
    return dsn.replace(f":{parts.password}@", f":{PASSWORD}@")


Place = Callable[[str, Path, pytest.MonkeyPatch], str]
PLACES = (in_environment, in_file, in_dsn, in_query, in_dsn_as_it_is)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("migrate", [True, False])
async def test_a_wrong_password_is_not_shown(
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: Place,
    *,
    migrate: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    dsn = place(server, tmp_path, monkeypatch)
    with pytest.raises(StoreError) as caught:
        async with PostgresStore(dsn, migrate=migrate, patience=0.2):
            pass
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert [part for part in PARTS if part in shown] == []


@pytest.mark.parametrize("place", PLACES[:4])
async def test_the_right_password_is_used_and_not_shown(
    private_server: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: Place,
) -> None:
    """Also when the server is away, or has another password by then."""
    caplog.set_level(logging.DEBUG)
    private = private_server.dsn
    async with PostgresStore(private):
        pass
    quoted = PASSWORD.replace("'", "''")
    await change_password(private, f"'{quoted}'")
    dsn = place(private, tmp_path, monkeypatch)
    shown: list[str] = []
    async with PostgresStore(dsn, migrate=False, patience=0.2) as store:
        await store.ping()
        await private_server.stop()

        async def fails() -> bool:
            try:
                await store.ping()
            except StoreError as error:
                shown.append("".join(traceback.format_exception(error)))
                return True
            return False

        await until(fails)
        await until(lambda: store.troubles)
        shown += store.troubles
        await private_server.start()
        await change_password(dsn, "'another one'")
        # Connections that are open go on; a new one is refused.
        await private_server.stop()
        await private_server.start()
        await until(fails)
        shown += store.troubles
    assert shown
    text = "".join(shown) + caplog.text
    assert [part for part in PARTS if part in text] == []


async def change_password(dsn: str, quoted: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"alter role postgres password {quoted}")
    await connection.close()
